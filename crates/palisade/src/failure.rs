//! Errors as advice: what happened, and what to do about it.

use control::ClientError;

/// The error with its causes, and a hint where there is one.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Many errors tell their cause themselves.
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    let hint = error.chain().find_map(|cause| {
        cause
            .downcast_ref::<ClientError>()
            .and_then(client_hint)
            .or_else(|| cause.downcast_ref::<std::io::Error>().and_then(io_hint))
    });
    if let Some(hint) = hint {
        text.push_str("\n  ");
        text.push_str(hint);
    }
    text
}

fn client_hint(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::Missing(_) => Some(
            "Is the service running? Start it with `palisade run`; if it uses another run directory, name it with --run-dir.",
        ),
        ClientError::Refused(_) => {
            Some("The service has ended without cleaning up; start it again with `palisade run`.")
        }
        ClientError::Forbidden(_) => {
            Some("Use it as root or as the user that runs the service, for instance with sudo.")
        }
        ClientError::Io(error) => io_hint(error),
        ClientError::Refusal { .. } | ClientError::Http(_) | ClientError::Answer(_) => None,
    }
}

fn io_hint(error: &std::io::Error) -> Option<&'static str> {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Some(
            "Ports below 1024, TUN devices and routes take root (or CAP_NET_BIND_SERVICE and CAP_NET_ADMIN). \
             Without root: `ike_port` and `nat_port` above 1023 and `inner = \"echo\"` in `[headend]`.",
        ),
        std::io::ErrorKind::AddrInUse => Some(
            "Another program holds the port: another Palisade, or strongSwan (`systemctl stop strongswan`)? `ss -ulpn` tells.",
        ),
        std::io::ErrorKind::AddrNotAvailable => {
            Some("This machine does not have that address; `ip address` lists those it has.")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_missing_socket_asks_whether_the_service_runs() {
        let error = anyhow::Error::from(ClientError::Missing("/run/x/control.sock".into()));
        let text = explain(&error);
        assert!(
            text.contains("/run/x/control.sock") && text.contains("palisade run"),
            "{text}"
        );
    }

    #[test]
    fn causes_deep_down_are_explained_too() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = Err::<(), _>(denied)
            .context("cannot open port 500")
            .expect_err("an error");
        let text = explain(&error);
        assert!(
            text.starts_with("cannot open port 500") && text.contains("root"),
            "{text}"
        );
    }
}
