//! The names that certificates bear. They say what somebody is, not where: a host may
//! change its address, and a controller may stand anywhere.

use tidegate_core::HostId;

/// The name of every controller.
pub const CONTROLLER: &str = "controller.tidegate";

/// The name of a host.
pub fn of_host(host: HostId) -> String {
    format!("host-{}.tidegate", host.0)
}

/// Which host a name is of, if of one. There is one way to write each.
pub fn host(name: &str) -> Option<HostId> {
    let number = name.strip_prefix("host-")?.strip_suffix(".tidegate")?;
    let host = HostId(number.parse().ok()?);
    (of_host(host) == name).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_name() {
        assert_eq!(host(&of_host(HostId(17))), Some(HostId(17)));
        for other in [
            "host-017.tidegate",
            "host-+17.tidegate",
            "host-17",
            "host-.tidegate",
            "host-99999999999.tidegate",
            "x.host-1.tidegate",
            CONTROLLER,
        ] {
            assert_eq!(host(other), None, "{other}");
        }
    }
}
