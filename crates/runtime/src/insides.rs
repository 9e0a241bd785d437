use ipsec::InnerVrf;
use netio::{Buffer, TunId};

/// Where this worker's inner packets of one VRF go.
pub(crate) enum Inner {
    Tun(TunId),
    /// Answers to be opened as inner packets after the current batch.
    Echo(Vec<Buffer>),
    Discard,
}

/// The inner sides of this worker, by VRF.
pub(crate) struct Insides {
    by_vrf: Vec<Inner>,
    /// Whose queue each TUN queue is.
    by_queue: Vec<InnerVrf>,
    echoes: Vec<InnerVrf>,
}

impl Insides {
    /// `by_vrf` in the order of the VRFs' numbers; the queues were attached in that order.
    pub(crate) fn new(by_vrf: Vec<Inner>) -> Self {
        let numbered = || by_vrf.iter().zip((0..).map(InnerVrf));
        let by_queue = numbered().filter(|(inner, _)| matches!(inner, Inner::Tun(_)));
        let echoes = numbered().filter(|(inner, _)| matches!(inner, Inner::Echo(_)));
        Self {
            by_queue: by_queue.map(|(_, ivrf)| ivrf).collect(),
            echoes: echoes.map(|(_, ivrf)| ivrf).collect(),
            by_vrf,
        }
    }

    pub(crate) fn get(&self, ivrf: InnerVrf) -> Option<&Inner> {
        self.by_vrf.get(ivrf.index())
    }

    pub(crate) fn get_mut(&mut self, ivrf: InnerVrf) -> Option<&mut Inner> {
        self.by_vrf.get_mut(ivrf.index())
    }

    /// Whose packets come through a queue.
    pub(crate) fn of_queue(&self, queue: TunId) -> InnerVrf {
        let ivrf = self.by_queue.get(usize::from(queue.0));
        ivrf.copied().unwrap_or(InnerVrf::GLOBAL)
    }

    /// The VRF of the echo in that place among the echoes.
    pub(crate) fn echo(&self, place: usize) -> Option<InnerVrf> {
        self.echoes.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_belong_to_the_vrfs_that_have_devices() {
        let insides = Insides::new(vec![
            Inner::Discard,
            Inner::Tun(TunId(0)),
            Inner::Echo(Vec::new()),
            Inner::Tun(TunId(1)),
        ]);
        assert_eq!(insides.of_queue(TunId(0)), InnerVrf(1));
        assert_eq!(insides.of_queue(TunId(1)), InnerVrf(3));
        assert_eq!(insides.echo(0), Some(InnerVrf(2)));
        assert_eq!(insides.echo(1), None);
        assert!(matches!(
            insides.get(InnerVrf(3)),
            Some(Inner::Tun(TunId(1)))
        ));
        assert!(insides.get(InnerVrf(4)).is_none());
    }
}
