//! Test targets that need more than a compiler. They are found, not listed: whoever adds one gives
//! it a required feature, and the rest happens here.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::requirement::Requirement;

/// A test target that `cargo test --workspace` leaves out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GatedTest {
    pub(crate) package: String,
    pub(crate) target: String,
    pub(crate) feature: String,
    pub(crate) requirement: Requirement,
}

impl GatedTest {
    /// Its name in reports.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.package, self.target)
    }
}

/// The workspace as cargo sees it.
pub(crate) fn metadata() -> Result<Metadata> {
    MetadataCommand::new()
        .no_deps()
        .exec()
        .context("cargo metadata")
}

/// All gated tests of the workspace. A required feature that stands for nothing known is an error:
/// its tests would never run.
pub(crate) fn find(metadata: &Metadata) -> Result<Vec<GatedTest>> {
    let mut found = Vec::new();
    for package in &metadata.packages {
        for target in package.targets.iter().filter(|target| target.is_test()) {
            for feature in &target.required_features {
                let requirement = Requirement::of_feature(feature).with_context(|| {
                    format!(
                        "{}: test {} requires an unknown feature {feature}",
                        package.name, target.name
                    )
                })?;
                found.push(GatedTest {
                    package: package.name.to_string(),
                    target: target.name.clone(),
                    feature: feature.clone(),
                    requirement,
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{find, metadata};
    use crate::requirement::Requirement;

    #[test]
    fn the_tests_with_real_peers_are_found() {
        let found = find(&metadata().unwrap()).unwrap();
        let headend = found
            .iter()
            .find(|test| test.name() == "palisade-interop::headend");
        assert_eq!(headend.unwrap().requirement, Requirement::Namespaces);
    }
}
