use ipsec::{Identity, IdentityPattern, TrafficSelector};

/// A traffic selector as an operator may write it. What is read is written and read alike.
pub fn selector_text(data: &[u8]) {
    let Some(selector) = std::str::from_utf8(data)
        .ok()
        .and_then(|text| text.parse().ok())
    else {
        return;
    };
    let selector: TrafficSelector = selector;
    assert!(selector.is_valid());
    assert_eq!(selector.to_string().parse(), Ok(selector));
    assert!(selector.is_subset_of(&selector));
}

/// An identity or a pattern of identities as an operator may write it.
pub fn identity_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(pattern) = text.parse::<IdentityPattern>() {
        assert_eq!(pattern.to_string().parse(), Ok(pattern));
    }
    if let Ok(identity) = text.parse::<Identity>() {
        assert_eq!(identity.to_string().parse(), Ok(identity.clone()));
        assert!(IdentityPattern::Exact(identity.clone()).matches(&identity));
        assert!(identity.same(&identity.canonical()));
    }
}
