use crate::SendError;

/// What an engine has done since it was built. Plain numbers: one thread owns them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Datagrams received and handed on.
    pub rx_packets: u64,
    /// Octets of their payloads.
    pub rx_bytes: u64,
    /// Datagrams larger than a buffer, dropped.
    pub rx_truncated: u64,
    /// Datagrams whose addresses or headers the kernel did not tell intelligibly, dropped.
    pub rx_malformed: u64,
    /// Errors of receive calls other than "nothing there".
    pub rx_errors: u64,
    /// Times that no buffer was free to receive into. Nothing is lost by it: what has arrived waits
    /// in the kernel.
    pub rx_no_buffer: u64,
    /// Datagrams that the kernel dropped because a socket's receive buffer was full.
    pub rx_kernel_drops: u64,
    /// Datagrams that left.
    pub tx_packets: u64,
    /// Octets of their payloads.
    pub tx_bytes: u64,
    /// Datagrams dropped because a socket's send buffer was full.
    pub tx_would_block: u64,
    /// Datagrams that were not to be fragmented, but larger than the path allows: they left in
    /// fragments, and the path is told ([`Engine::take_narrow`](crate::Engine::take_narrow)).
    pub tx_narrow: u64,
    /// Datagrams refused as larger than any path allows.
    pub tx_too_big: u64,
    /// Datagrams without a route.
    pub tx_unreachable: u64,
    /// Datagrams refused by a filter of this host.
    pub tx_denied: u64,
    /// Datagrams dropped because the engine's queue or buffers were used up.
    pub tx_queue_full: u64,
    /// Datagrams not sent for any other reason.
    pub tx_errors: u64,
    /// Runs of several datagrams that the kernel took as one.
    pub tx_runs: u64,
    /// Runs that it refused; their datagrams were sent one by one.
    pub tx_runs_refused: u64,
    /// Runs of several datagrams that the kernel handed over as one.
    pub rx_runs: u64,
    /// IP packets read from TUN.
    pub tun_rx_packets: u64,
    /// Octets of them.
    pub tun_rx_bytes: u64,
    /// Reads that held several of them as one.
    pub tun_rx_runs: u64,
    /// Reads whose packet is not as their header says, dropped.
    pub tun_rx_malformed: u64,
    /// IP packets larger than a buffer, dropped.
    pub tun_rx_truncated: u64,
    /// Errors of TUN reads other than "nothing there".
    pub tun_rx_errors: u64,
    /// IP packets written to TUN.
    pub tun_tx_packets: u64,
    /// Octets of them.
    pub tun_tx_bytes: u64,
    /// Writes that held several of them as one.
    pub tun_tx_runs: u64,
    /// Such writes that the device refused; their packets were written one by one.
    pub tun_tx_runs_refused: u64,
    /// IP packets dropped because the device's queue or the engine's was full.
    pub tun_tx_would_block: u64,
    /// IP packets that the device refused.
    pub tun_tx_errors: u64,
    /// Times that `wait` returned.
    pub wakeups: u64,
    /// Times that `wait` returned because of a waker.
    pub wakeups_by_waker: u64,
    /// System calls made to send datagrams.
    pub tx_calls: u64,
    /// System calls made to receive datagrams.
    pub rx_calls: u64,
}

impl Counters {
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.tx_packets += 1;
        self.tx_bytes += bytes as u64;
    }

    pub(crate) fn send_failed(&mut self, error: SendError) {
        *match error {
            SendError::WouldBlock => &mut self.tx_would_block,
            SendError::TooBig => &mut self.tx_too_big,
            SendError::Unreachable => &mut self.tx_unreachable,
            SendError::Denied => &mut self.tx_denied,
            SendError::QueueFull => &mut self.tx_queue_full,
            SendError::Other(_) => &mut self.tx_errors,
        } += 1;
    }

    /// A write of so many IP packets, so many octets in all, had this result.
    pub(crate) fn tun_written(&mut self, result: Result<(), i32>, packets: u64, octets: u64) {
        match result {
            Ok(()) => {
                self.tun_tx_packets += packets;
                self.tun_tx_runs += u64::from(packets > 1);
                self.tun_tx_bytes += octets;
            }
            Err(libc::EAGAIN | libc::ENOBUFS) => self.tun_tx_would_block += packets,
            Err(_) => self.tun_tx_errors += packets,
        }
    }
}
