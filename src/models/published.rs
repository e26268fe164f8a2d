//! The models vsearch knows by name, and where they are published.
//!
//! Repositories are those open_clip's own table of pretrained weights names; sizes follow from the
//! configurations' parameters (4 bytes each).

use super::ModelCard;

/// The model a first `model pull` should bring.
pub const RECOMMENDED: &str = "ViT-B-32";
/// The model for questions in Chinese.
pub const CHINESE: &str = "Chinese-CLIP-ViT-B-16";

/// A model under a name of ours.
pub(super) struct Published {
    pub(super) name: &'static str,
    /// `owner/name` on the hub.
    pub(super) repository: &'static str,
    dim: usize,
    /// Millions of parameters.
    parameters: f64,
    languages: &'static str,
    description: &'static str,
}

impl Published {
    pub(super) fn card(&self) -> ModelCard {
        ModelCard {
            name: self.name,
            dim: self.dim,
            bytes: (self.parameters * 4e6) as u64,
            languages: self.languages,
            licence: "MIT",
            description: self.description,
            repository: Some(self.repository),
            here: false,
        }
    }
}

const fn english(
    name: &'static str,
    repository: &'static str,
    dim: usize,
    parameters: f64,
    description: &'static str,
) -> Published {
    Published {
        name,
        repository,
        dim,
        parameters,
        languages: "English",
        description,
    }
}

const OPENAI: &str = "CLIP by OpenAI, 400 million pairs";
const LAION: &str = "OpenCLIP, LAION-2B";
const DATACOMP: &str = "OpenCLIP, DataComp-1B";

#[rustfmt::skip]
pub(super) const PUBLISHED: &[Published] = &[
    english(RECOMMENDED, "timm/vit_base_patch32_clip_224.openai", 512, 151.3, OPENAI),
    english("ViT-B-16", "timm/vit_base_patch16_clip_224.openai", 512, 149.6, OPENAI),
    english("ViT-L-14", "timm/vit_large_patch14_clip_224.openai", 768, 427.6, OPENAI),
    english("ViT-L-14-336", "timm/vit_large_patch14_clip_336.openai", 768, 427.9, OPENAI),
    english("RN50", "timm/resnet50_clip.openai", 1024, 102.0, OPENAI),
    english("RN101", "timm/resnet101_clip.openai", 512, 119.7, OPENAI),
    english("RN50x4", "timm/resnet50x4_clip.openai", 640, 178.3, OPENAI),
    english("RN50x16", "timm/resnet50x16_clip.openai", 768, 291.0, OPENAI),
    english("RN50x64", "timm/resnet50x64_clip.openai", 1024, 623.3, OPENAI),
    english("ViT-B-32-laion2b", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 512, 151.3, LAION),
    english("ViT-B-16-laion2b", "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", 512, 149.6, LAION),
    english("ViT-L-14-laion2b", "laion/CLIP-ViT-L-14-laion2B-s32B-b82K", 768, 427.6, LAION),
    english("ViT-H-14-laion2b", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", 1024, 986.1, LAION),
    english("ViT-B-32-256-datacomp", "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K", 512, 151.3, DATACOMP),
    english("ViT-B-16-datacomp", "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K", 512, 149.6, DATACOMP),
    english("ViT-L-14-datacomp", "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", 768, 427.6, DATACOMP),
    Published {
        name: CHINESE,
        repository: "OFA-Sys/chinese-clip-vit-base-patch16",
        dim: 512,
        parameters: 188.0,
        languages: "Chinese, English",
        description: "Chinese-CLIP, 200 million pairs",
    },
];
