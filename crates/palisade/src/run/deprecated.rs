//! IKEv1 is off unless a connection names it, and whoever names it is told once (RFC 9395).

use config::Config;

/// Says in one line which connections speak IKEv1, at the start and whenever others do.
pub(super) fn tell(before: Option<&Config>, config: &Config) {
    let now = names(config);
    if now.is_empty() || before.is_some_and(|before| names(before) == now) {
        return;
    }
    tracing::warn!(
        connections = now.join(", "),
        "IKEv1 is on for these connections; it is deprecated (RFC 9395): move their peers to IKEv2"
    );
}

fn names(config: &Config) -> Vec<&str> {
    let deprecated = config.policy.deprecated();
    deprecated.map(|connection| &*connection.name).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn those_that_speak_ikev1_are_named_and_no_others() {
        let connection = |name: &str, version: &str| {
            format!("[connections.{name}]\nversion = {version}\n[connections.{name}.children.c]\n")
        };
        let text = [
            connection("new", "2"),
            connection("old", "1"),
            connection("both", "\"any\""),
            "[secrets.s]\nsecret = \"correct horse battery staple\"\n".to_owned(),
        ]
        .concat();
        let config = config::load(&text, Path::new("test.toml")).unwrap();
        assert_eq!(names(&config), ["old", "both"]);
    }
}
