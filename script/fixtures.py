"""Libraries of earlier formats for the tests, from one of today's: the migrations up to each format, with the rows it
had. Run once for each new format; the files stay.

    python3 script/fixtures.py LIBRARY
"""
import sqlite3, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def rows(db, table, columns):
    known = [r[1] for r in db.execute(f"PRAGMA table_info({table})")]
    columns = [c for c in columns if c in known]
    return columns, db.execute(f"SELECT {', '.join(chr(34) + c + chr(34) for c in columns)} FROM {table}").fetchall()


def main():
    today = sqlite3.connect(Path(sys.argv[1]) / "catalog.sqlite")
    migrations = sorted((ROOT / "migrations").glob("*.sql"))
    for n in range(1, len(migrations) + 1):
        target = ROOT / "tests" / "fixtures" / f"format-{n}.sql"
        if target.exists():
            continue
        db = sqlite3.connect(":memory:")
        for migration in migrations[:n]:
            db.executescript(migration.read_text())
        for table in ("models", "videos", "moments", "vectors", "canaries", "gaps", "faults", "texts", "concepts"):
            columns = [r[1] for r in db.execute(f"PRAGMA table_info({table})")]
            if not columns:
                continue
            columns, found = rows(today, table, columns)
            names = ", ".join(f'"{c}"' for c in columns)
            db.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", found)
        db.execute("UPDATE library SET generation = 7")
        if n >= 4:
            db.execute("UPDATE library SET model_id = (SELECT min(id) FROM models)")
        db.commit()
        lines = ["PRAGMA foreign_keys = OFF;", *db.iterdump(), f"PRAGMA user_version = {n};"]
        target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
