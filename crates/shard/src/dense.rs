/// A dense enum whose values are counter indices, each with a metric label and a sentence.
macro_rules! dense {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $label:literal: $sentence:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $sentence] $variant,)+ }

        impl $name {
            /// Every value, in counter order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The place of this value among the counters.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// Label of the metric.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What the operator should know.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

pub(crate) use dense;
