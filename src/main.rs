fn main() -> std::process::ExitCode {
    vsearch::cli::run()
}
