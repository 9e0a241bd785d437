//! Enums whose value is the index of a counter, with a label for metrics and a sentence for the
//! operator. Every drop, refusal and verdict of the pure rooms is one of them.
#![forbid(unsafe_code)]

/// Defines one: `Name { Variant = "label", "Sentence."; … }`, with doc comments before the name.
#[macro_export]
macro_rules! reasons {
    (
        $(#[$meta:meta])*
        $name:ident { $( $variant:ident = $label:literal, $sentence:literal; )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $( #[doc = $sentence] $variant, )+
        }

        impl $name {
            /// Every value, in the order of the counters.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];
            /// How many values there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The place of this value among the counters.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The label of the metric.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $( Self::$variant => $label, )+ }
            }

            /// What the operator should know.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $( Self::$variant => $sentence, )+ }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.label())
            }
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub)] // The macro makes what it defines public.
mod tests {
    reasons! {
        /// For the test.
        Colour {
            Red = "red", "It is red.";
            Green = "green", "It is green.";
        }
    }

    #[test]
    fn values_are_indices_labels_and_sentences() {
        let indices: Vec<_> = Colour::ALL.iter().map(|colour| colour.index()).collect();
        assert_eq!(indices, [0, 1]);
        assert_eq!(Colour::COUNT, 2);
        assert_eq!(Colour::Green.to_string(), "green");
        assert_eq!(Colour::Red.sentence(), "It is red.");
    }
}
