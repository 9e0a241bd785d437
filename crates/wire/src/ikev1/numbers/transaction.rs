//! What transaction exchanges carry: configuration, extended authentication, and Unity attributes.

/// Configuration attributes (draft-dukes-ike-mode-cfg §3.2). Empty in a request unless the client wants a
/// certain value.
pub mod attribute {
    /// IPv4 address: 0 or 4 octets.
    pub const INTERNAL_IP4_ADDRESS: u16 = 1;
    /// IPv4 netmask: 0 or 4 octets.
    pub const INTERNAL_IP4_NETMASK: u16 = 2;
    /// IPv4 name server: 0 or 4 octets.
    pub const INTERNAL_IP4_DNS: u16 = 3;
    /// IPv4 NetBIOS name server: 0 or 4 octets.
    pub const INTERNAL_IP4_NBNS: u16 = 4;
    /// For how many seconds the address is given: 0 or 4 octets.
    pub const INTERNAL_ADDRESS_EXPIRY: u16 = 5;
    /// IPv4 DHCP server: 0 or 4 octets.
    pub const INTERNAL_IP4_DHCP: u16 = 6;
    /// Version of the software: text.
    pub const APPLICATION_VERSION: u16 = 7;
    /// IPv6 address: 0 or 16 octets.
    pub const INTERNAL_IP6_ADDRESS: u16 = 8;
    /// IPv6 netmask: 0 or 16 octets.
    pub const INTERNAL_IP6_NETMASK: u16 = 9;
    /// IPv6 name server: 0 or 16 octets.
    pub const INTERNAL_IP6_DNS: u16 = 10;
    /// IPv6 NetBIOS name server: 0 or 16 octets.
    pub const INTERNAL_IP6_NBNS: u16 = 11;
    /// IPv6 DHCP server: 0 or 16 octets.
    pub const INTERNAL_IP6_DHCP: u16 = 12;
    /// Protected IPv4 subnet: 0 or 8 octets.
    pub const INTERNAL_IP4_SUBNET: u16 = 13;
    /// Supported attributes: a list of 16-bit types.
    pub const SUPPORTED_ATTRIBUTES: u16 = 14;
}

/// Attributes of extended authentication (draft-beaulieu-ike-xauth §6.2).
pub mod xauth {
    /// Which kind of authentication; basic, 0 is generic.
    pub const TYPE: u16 = 16520;
    /// User name.
    pub const USER_NAME: u16 = 16521;
    /// User's password.
    pub const USER_PASSWORD: u16 = 16522;
    /// Passcode of a token.
    pub const PASSCODE: u16 = 16523;
    /// Text for the user.
    pub const MESSAGE: u16 = 16524;
    /// Challenge.
    pub const CHALLENGE: u16 = 16525;
    /// Domain of the user.
    pub const DOMAIN: u16 = 16526;
    /// 1 success, 0 failure; basic.
    pub const STATUS: u16 = 16527;
    /// Next PIN of a token.
    pub const NEXT_PIN: u16 = 16528;
    /// Answer to a question of the server.
    pub const ANSWER: u16 = 16529;
    /// TYPE: name and password.
    pub const TYPE_GENERIC: u16 = 0;
    /// STATUS: failure.
    pub const STATUS_FAIL: u16 = 0;
    /// STATUS: success.
    pub const STATUS_OK: u16 = 1;
}

/// Cisco Unity attributes, which no document describes.
pub mod unity {
    /// Text to show to the user.
    pub const BANNER: u16 = 28672;
    /// Whether the client may save the password; basic.
    pub const SAVE_PASSWORD: u16 = 28673;
    /// Default domain.
    pub const DEFAULT_DOMAIN: u16 = 28674;
    /// Domains whose names are asked for inside, separated by commas.
    pub const SPLIT_DNS: u16 = 28675;
    /// Subnets behind the gateway ([`SPLIT_INCLUDE_LEN`] octets each).
    pub const SPLIT_INCLUDE: u16 = 28676;
    /// UDP port of the encapsulation; basic.
    pub const NAT_TRAVERSAL_PORT: u16 = 28677;
    /// Subnets that stay outside the tunnel.
    pub const LOCAL_LAN: u16 = 28678;
    /// Group for perfect forward secrecy; basic.
    pub const PFS: u16 = 28679;
    /// Type of firewall that the client needs.
    pub const FIREWALL_TYPE: u16 = 28680;
    /// Names of further gateways.
    pub const BACKUP_SERVERS: u16 = 28681;
    /// Host name for dynamic DNS.
    pub const DDNS_HOSTNAME: u16 = 28682;
    /// Octets of one subnet in [`SPLIT_INCLUDE`]: address, mask, protocol and ports (zero).
    pub const SPLIT_INCLUDE_LEN: usize = 14;
}
