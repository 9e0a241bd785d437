//! Enums whose value is an index of counters, with a label for metrics and a sentence for people.

macro_rules! dense {
    (
        $(#[$meta:meta])*
        $name:ident { $( $variant:ident = $label:literal : $sentence:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $( #[doc = $sentence] $variant, )+
        }

        impl $name {
            /// Every value, in the order of the counters.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];
            /// How many values there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Position in [`Self::ALL`] and in a table of counters.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The label that metrics and settings use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $label, )+ }
            }

            /// One sentence for the operator.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $( Self::$variant => $sentence, )+ }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use dense;
