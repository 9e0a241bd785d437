//! Sections `fvrf` and `ivrf`: listening instances and inner devices beside the global ones.

use core::net::IpAddr;
use std::collections::HashMap;
use std::sync::Arc;

use ipsec::{FrontVrf, GLOBAL_VRF, InnerVrf};

use crate::headend::{device_name, inner_device, listen};
use crate::keys::{FVRF, IVRF};
use crate::settings::{
    FrontVrfSettings, HeadendSettings, InnerDevice, InnerVrfSettings, VrfSettings,
};
use crate::table::{Fault, Table, Value};
use crate::value::number_as;

/// VRFs of one kind at most: their number is in every SA.
const VRFS_MAX: usize = 1 << 12;

/// Reads both kinds. The global ones are what `headend` says.
pub(crate) fn read(root: &Table<'_, '_>, headend: &HeadendSettings) -> VrfSettings {
    VrfSettings {
        front: front(root, headend),
        inner: inner(root, headend),
    }
}

/// The number of the front-door VRF that a key names; that of the global one without the key.
pub(crate) fn front_of(table: &Table<'_, '_>, key: &str, vrfs: &VrfSettings) -> FrontVrf {
    let named = |value: &Value<'_>| {
        let name = value.text()?;
        let known = vrfs.front.iter().map(|vrf| &*vrf.name);
        vrfs.front_named(name)
            .ok_or_else(|| unknown("fvrf", name, known))
    };
    table.read(key, named).unwrap_or_default()
}

/// The number of the inner VRF that a key names; that of the global one without the key.
pub(crate) fn inner_of(table: &Table<'_, '_>, key: &str, vrfs: &VrfSettings) -> InnerVrf {
    let named = |value: &Value<'_>| {
        let name = value.text()?;
        let known = vrfs.inner.iter().map(|vrf| &*vrf.name);
        vrfs.inner_named(name)
            .ok_or_else(|| unknown("ivrf", name, known))
    };
    table.read(key, named).unwrap_or_default()
}

fn unknown<'n>(kind: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Fault {
    let fault = Fault::new(format!("there is no {kind} `{name}`"));
    match crate::suggest::closest(name, known) {
        Some(meant) => fault.instead(format!("did you mean `{meant}`?")),
        None => fault.instead(format!("add `[{kind}.{name}]`, or write \"{GLOBAL_VRF}\"")),
    }
}

fn check_name(table: &Table<'_, '_>, name: &str, count: usize) {
    if name == GLOBAL_VRF {
        let fault = Fault::new(format!(
            "`{GLOBAL_VRF}` is the name of what `[headend]` sets up"
        ));
        table.fault_at_table(fault.instead("choose another name"));
    }
    if count == VRFS_MAX {
        let fault = Fault::new(format!("there are more than {VRFS_MAX} VRFs"));
        table.fault_at_table(fault.instead("run another instance of the service"));
    }
}

fn front(root: &Table<'_, '_>, headend: &HeadendSettings) -> Vec<FrontVrfSettings> {
    let mut taken = Taken::default();
    let global = FrontVrfSettings {
        name: GLOBAL_VRF.into(),
        listen: headend.listen.clone(),
        ike_port: headend.ike_port,
        nat_port: headend.nat_port,
        device: None,
        namespace: None,
    };
    taken.add(&global);
    let mut vrfs: Vec<FrontVrfSettings> = Vec::new();
    for (name, table) in root.named_sections("fvrf", &FVRF) {
        check_name(&table, &name, vrfs.len());
        let port = |key, default| {
            table
                .read(key, |value| number_as(value, 1, 65_535))
                .unwrap_or(default)
        };
        let vrf = FrontVrfSettings {
            name: name.into(),
            listen: listen(&table).unwrap_or_else(|| HeadendSettings::default().listen),
            ike_port: port("ike_port", headend.ike_port),
            nat_port: port("nat_port", headend.nat_port),
            device: table.read("device", device_name),
            namespace: table.read("namespace", namespace),
        };
        if vrf.ike_port == vrf.nat_port {
            let fault = Fault::new("`ike_port` and `nat_port` are the same");
            table.fault_at_table(fault.instead("write two ports, such as 500 and 4500"));
        } else if let Some((address, port, other)) = taken.add(&vrf) {
            let fault = Fault::new(format!("{other} listens on {address} port {port} already"));
            let instead =
                "give this one a `device`, a `namespace`, or addresses or ports of its own";
            table.fault_at_table(fault.instead(instead));
        }
        vrfs.push(vrf);
    }
    vrfs
}

/// A socket as the kernel tells it from others: namespace, device, address, port.
type Socket = (Option<String>, Option<String>, IpAddr, u16);

/// Which sockets are wanted so far, and by whom.
#[derive(Default)]
struct Taken(HashMap<Socket, Arc<str>>);

impl Taken {
    /// Adds the sockets of a VRF, or says which of them another has.
    fn add(&mut self, vrf: &FrontVrfSettings) -> Option<(IpAddr, u16, Arc<str>)> {
        let ports = [vrf.ike_port, vrf.nat_port];
        let wanted = vrf
            .listen
            .iter()
            .flat_map(|ip| ports.map(|port| (*ip, port)));
        let mut clash = None;
        for (address, port) in wanted {
            let socket = (vrf.namespace.clone(), vrf.device.clone(), address, port);
            let former = self.0.insert(socket, Arc::clone(&vrf.name));
            clash = clash.or(former.map(|other| (address, port, other)));
        }
        clash
    }
}

fn inner(root: &Table<'_, '_>, headend: &HeadendSettings) -> Vec<InnerVrfSettings> {
    let mut devices: HashMap<(Option<String>, String), Arc<str>> = HashMap::new();
    if let InnerDevice::Tun { name, .. } = &headend.inner {
        devices.insert((None, name.clone()), GLOBAL_VRF.into());
    }
    let mut vrfs: Vec<InnerVrfSettings> = Vec::new();
    for (name, table) in root.named_sections("ivrf", &IVRF) {
        check_name(&table, &name, vrfs.len());
        let vrf = InnerVrfSettings {
            name: name.into(),
            device: inner_device(&table, "palisade%d"),
            namespace: table.read("namespace", namespace),
            table: table.read("table", |value| number_as(value, 1, u64::from(u32::MAX))),
        };
        if let InnerDevice::Tun { name: device, .. } = &vrf.device
            && !device.contains('%')
        {
            let key = (vrf.namespace.clone(), device.clone());
            if let Some(other) = devices.insert(key, Arc::clone(&vrf.name)) {
                let fault = Fault::new(format!("{other} has a device `{device}`, too"));
                table.fault_at_table(fault.instead("give each VRF a `name` of its own"));
            }
        }
        vrfs.push(vrf);
    }
    vrfs
}

/// A name of `ip netns`, or a path.
fn namespace(value: &Value<'_>) -> Result<String, Fault> {
    let text = value.text()?;
    if text.is_empty() || text.contains('\0') || text == "." || text == ".." {
        return Err(Fault::new(format!("`{text}` is no network namespace"))
            .instead("write a name that `ip netns` shows, or a path such as \"/proc/1/ns/net\""));
    }
    Ok(text.to_owned())
}
