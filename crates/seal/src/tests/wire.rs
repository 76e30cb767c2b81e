//! Varints at their edges; texts that promise more than there is.

use proptest::prelude::*;

use crate::wire::{Reader, put_text, put_varint};

proptest! {
    #[test]
    fn varints_read_back(value in any::<u64>(), shift in 0_u32..64) {
        let value = value >> shift;
        let mut out = Vec::new();
        put_varint(&mut out, value);
        prop_assert_eq!(out.len(), (64 - value.leading_zeros()).div_ceil(7).max(1) as usize);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.varint(), Some(value));
        prop_assert!(reader.is_empty());
    }
}

#[test]
fn a_varint_over_64_bits_or_without_end_is_refused() {
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(Reader::new(&most).varint(), Some(u64::MAX));
    let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    assert_eq!(Reader::new(&over).varint(), None);
    assert_eq!(Reader::new(&[0x80; 30]).varint(), None);
    assert_eq!(Reader::new(&[0x80]).varint(), None);
    assert_eq!(Reader::new(&[]).varint(), None);
}

#[test]
fn text_longer_than_what_is_left_or_not_utf8_is_refused() {
    let mut out = Vec::new();
    put_text(&mut out, "grüß");
    assert_eq!(Reader::new(&out).text(), Some("grüß"));
    assert_eq!(Reader::new(&out[..out.len() - 1]).text(), None);
    assert_eq!(Reader::new(&[2, 0xff, 0xfe]).text(), None);
    assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, b'x']).text(), None);
}
