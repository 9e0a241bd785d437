use wire::ikev2::NotifyType;

use ::reason::reasons;

reasons! {
    /// Why a message was dropped without any effect on state.
    Rejection {
        Malformed = "malformed", "The message could not be read.";
        UnsupportedVersion = "unsupported_version", "The message has a major version other than 2.";
        UnknownSpi = "unknown_spi", "No IKE SA has this SPI.";
        UnexpectedExchange = "unexpected_exchange", "The exchange does not belong to the state of the IKE SA.";
        WrongDirection = "wrong_direction", "The initiator or response flag does not fit the roles of the IKE SA.";
        Unprotected = "unprotected", "The message is not encrypted although the IKE SA has keys.";
        IcvMismatch = "icv_mismatch", "The integrity check of the message failed.";
        OutsideWindow = "outside_window", "The message ID is outside the window of requests.";
        UnexpectedResponse = "unexpected_response", "No request with this message ID is outstanding.";
        Busy = "busy", "A computation for this IKE SA is under way; the peer will retransmit.";
        FragmentInvalid = "fragment_invalid", "The fragment contradicts the others of its message.";
        FragmentLimit = "fragment_limit", "The fragments exceed what is kept for one message.";
        FragmentDuplicate = "fragment_duplicate", "This fragment was received before.";
        RetransmissionChanged = "retransmission_changed", "A second IKE_SA_INIT request with the same SPI differs from the first.";
        Closed = "closed", "The IKE SA is closed.";
        CookieRequired = "cookie_required", "A cookie was asked for; no state was kept.";
        CookieInvalid = "cookie_invalid", "The returned cookie is not ours or too old.";
        PuzzleRequired = "puzzle_required", "A puzzle was sent along with a cookie; no state was kept.";
        PuzzleWrong = "puzzle_wrong", "The solution of the puzzle is wrong, or took less work than was asked for.";
        PuzzleUnsolved = "puzzle_unsolved", "The puzzle came back unsolved, and the lot decided against the peer, which may ask again.";
        HalfOpenLimit = "half_open_limit", "Too many half-open IKE SAs.";
        HalfOpenPrefixLimit = "half_open_prefix_limit", "Too many half-open IKE SAs from one source prefix.";
        NoConnection = "no_connection", "No connection allows IKE between these addresses.";
        NoSpi = "no_spi", "No SPI is free.";
        Refused = "refused", "The request was refused with a notify; no state was kept.";
        RefusalLimit = "refusal_limit", "The request would be refused, but refusals are above their rate.";
        BadNonce = "bad_nonce", "The nonce has a length that is not allowed.";
        Undecipherable = "undecipherable", "An IKEv1 message decrypts to nothing that makes sense: the ends have different secrets, or it is not from the peer.";
        HashMismatch = "hash_mismatch", "The hash of an IKEv1 message is wrong: the ends have different secrets, or it is not from the peer.";
        MessageIdReused = "message_id_reused", "An IKEv1 message has a message ID that an exchange before had.";
        ExchangeLimit = "exchange_limit", "Too many IKEv1 exchanges are under way with this peer.";
        AggressiveMode = "aggressive_mode", "Aggressive mode is not allowed by any connection for this peer.";
        WouldAmplify = "would_amplify", "The answer would be longer than the message that asks for it, and the address of the peer is not proved yet.";
        ChoiceNotOffered = "choice_not_offered", "The responder chose what we did not offer.";
        IdentityUnwanted = "identity_unwanted", "The peer calls itself what no connection expects.";
        NoSharedSecret = "no_shared_secret", "No secret is configured for the peer, by address or by name.";
    }
}

reasons! {
    /// A request that was answered with an error notify, for the counters.
    Refusal {
        UnsupportedCriticalPayload = "unsupported_critical_payload", "A payload that must be understood is not known.";
        InvalidMajorVersion = "invalid_major_version", "The major version is not supported.";
        InvalidSyntax = "invalid_syntax", "A protected message could not be read.";
        NoProposalChosen = "no_proposal_chosen", "No proposal of the peer is acceptable.";
        InvalidKe = "invalid_ke_payload", "The key exchange is of another method than the one chosen.";
        AuthenticationFailed = "authentication_failed", "The peer could not be authenticated.";
        NoAdditionalSas = "no_additional_sas", "No further Child SA is allowed.";
        InternalAddressFailure = "internal_address_failure", "No virtual address is available.";
        FailedCpRequired = "failed_cp_required", "The peer must ask for a virtual address.";
        TsUnacceptable = "ts_unacceptable", "None of the traffic selectors is allowed.";
        TemporaryFailure = "temporary_failure", "The exchange collides with another; the peer may try again.";
        ChildSaNotFound = "child_sa_not_found", "The Child SA that should be rekeyed does not exist.";
    }
}

reasons! {
    /// Why an IKE SA is no more.
    CloseReason {
        Deleted = "deleted", "We deleted the IKE SA.";
        PeerDeleted = "peer_deleted", "The peer deleted the IKE SA.";
        Rekeyed = "rekeyed", "The IKE SA was replaced by its successor.";
        RedundantRekey = "redundant_rekey", "The IKE SA lost against one from a simultaneous rekey.";
        Unresponsive = "unresponsive", "The peer did not answer a request.";
        HalfOpenTimeout = "half_open_timeout", "The peer did not authenticate in time.";
        NoProposalChosen = "no_proposal_chosen", "The peer accepted none of our proposals.";
        InvalidKe = "invalid_key_exchange", "The key exchange with the peer failed.";
        PeerRefused = "peer_refused", "The peer refused with an error notify.";
        PeerMisbehaved = "peer_misbehaved", "The peer broke the protocol.";
        AuthenticationFailed = "authentication_failed", "The peer could not be authenticated.";
        AuthenticationMethod = "authentication_method", "The peer authenticated in another way than by certificate, which its connection wants.";
        CertificateMissing = "certificate_missing", "The peer sent no certificate, which its connection wants.";
        CertificateUnreadable = "certificate_unreadable", "A certificate of the peer could not be read, or it sent too many.";
        CertificateUntrusted = "certificate_untrusted", "No path leads from the peer's certificate to an authority that its connection trusts.";
        CertificateExpired = "certificate_expired", "A certificate of the peer, or above it, is not valid yet or no more.";
        CertificateRevoked = "certificate_revoked", "A certificate of the peer, or above it, is revoked, or must be known not to be and is not.";
        CertificateUnfit = "certificate_unfit", "The peer's certificate is not for authentication: it is an authority's, or its usage forbids it.";
        CertificateIdentity = "certificate_identity", "The peer calls itself what its certificate does not.";
        SignatureInvalid = "signature_invalid", "The signature of the peer is wrong, or of a kind that is not accepted.";
        SignatureUnsupported = "signature_unsupported", "The peer does not say that it understands a signature which our key can make.";
        PeerRejectedAuthentication = "peer_rejected_authentication", "The peer did not accept our authentication.";
        NoSharedSecret = "no_shared_secret", "No secret is configured for the identities.";
        NoVirtualAddress = "no_virtual_address", "The peer gave us no virtual address.";
        HardLifetime = "hard_lifetime", "The IKE SA reached its hard lifetime before a rekey succeeded.";
        Reauthenticated = "reauthenticated", "The IKE SA was replaced by a newly authenticated one.";
        OutOfSync = "out_of_sync", "The peer refused for minutes what should be possible: its view of the IKE SA differs from ours.";
        AuthenticationExpired = "authentication_expired", "The peer did not authenticate anew in time.";
        MessageIdsExhausted = "message_ids_exhausted", "The message IDs of the IKE SA are used up.";
        Exhausted = "exhausted", "A limit of this shard was reached.";
        Dropped = "dropped", "The owner gave the IKE SA up without a word to the peer.";
    }
}

reasons! {
    /// Why a Child SA could not be set up or rekeyed.
    ChildFailure {
        NoProposalChosen = "no_proposal_chosen", "No proposal for the Child SA is acceptable to both.";
        TsUnacceptable = "ts_unacceptable", "No traffic selectors are acceptable to both.";
        InvalidKe = "invalid_key_exchange", "The key exchange for the Child SA failed.";
        NoAdditionalSas = "no_additional_sas", "No further Child SA is allowed.";
        AddressFailure = "internal_address_failure", "The peer had no virtual address for us.";
        TemporaryFailure = "temporary_failure", "The exchange collided with another.";
        ChildSaNotFound = "child_sa_not_found", "The peer does not know the Child SA.";
        PeerRefused = "peer_refused", "The peer refused with another error notify.";
        PeerMisbehaved = "peer_misbehaved", "The peer's answer breaks the protocol.";
        NoSpi = "no_spi", "No SPI is free.";
        Limit = "limit", "The IKE SA has as many Child SAs or waiting requests as it may.";
        Exhausted = "exhausted", "A key exchange was given up because too many waited.";
        UnknownChild = "unknown_child", "There is no such Child SA or child policy.";
        Unanswered = "unanswered", "The peer did not answer.";
    }
}

reasons! {
    /// Why a Child SA is no more.
    RemovalReason {
        Deleted = "deleted", "We deleted the Child SA.";
        PeerDeleted = "peer_deleted", "The peer deleted the Child SA.";
        Rekeyed = "rekeyed", "The Child SA was replaced by a newer one.";
        RedundantRekey = "redundant_rekey", "The Child SA lost against one from a simultaneous rekey.";
        HardLifetime = "hard_lifetime", "The Child SA reached its hard lifetime.";
        IkeSaClosed = "ike_sa_closed", "The IKE SA of the Child SA is closed.";
        Rejected = "rejected", "The peer's view of the Child SA differs from ours.";
        Unconfirmed = "unconfirmed", "The peer never sent the message that confirms the Child SA.";
        NoRoom = "no_room", "The database of Child SAs is full.";
    }
}

impl ChildFailure {
    /// What an error notify in the answer to our request means for the Child SA.
    pub(crate) fn of_notify(error: NotifyType) -> Self {
        match error {
            NotifyType::NO_PROPOSAL_CHOSEN => Self::NoProposalChosen,
            NotifyType::TS_UNACCEPTABLE | NotifyType::SINGLE_PAIR_REQUIRED => Self::TsUnacceptable,
            NotifyType::INTERNAL_ADDRESS_FAILURE | NotifyType::FAILED_CP_REQUIRED => {
                Self::AddressFailure
            }
            NotifyType::NO_ADDITIONAL_SAS => Self::NoAdditionalSas,
            NotifyType::TEMPORARY_FAILURE => Self::TemporaryFailure,
            NotifyType::CHILD_SA_NOT_FOUND => Self::ChildSaNotFound,
            NotifyType::INVALID_KE_PAYLOAD => Self::InvalidKe,
            _ => Self::PeerRefused,
        }
    }
}
