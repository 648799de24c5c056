//! Git's packet lines: four hexadecimal digits of length, their own included, and the rest.

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'b> {
    /// `0000`.
    Flush,
    /// Its content.
    Data(&'b [u8]),
}

/// What is no packet line, or one that has no place here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotALine;

/// The most content of one line, in bytes.
pub(super) const MAX_DATA: usize = 65_516;

/// The first line of the bytes and how long it is; none when it has not all come.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Line<'_>, usize)>, NotALine> {
    let Some(head) = bytes.get(..4) else { return Ok(None) };
    if !head.iter().all(u8::is_ascii_hexdigit) {
        return Err(NotALine);
    }
    let length = std::str::from_utf8(head).ok().and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or(NotALine)?;
    match length {
        0 => Ok(Some((Line::Flush, 4))),
        // Delimiters and ends of responses belong to another version of the protocol.
        1..=3 => Err(NotALine),
        _ if length > MAX_DATA + 4 => Err(NotALine),
        _ => Ok(bytes.get(4..length).map(|data| (Line::Data(data), length))),
    }
}

/// Appends a line. Content beyond [`MAX_DATA`] is cut.
pub(super) fn write(out: &mut Vec<u8>, data: &[u8]) {
    let data = data.get(..MAX_DATA).unwrap_or(data);
    out.extend_from_slice(format!("{:04x}", data.len() + 4).as_bytes());
    out.extend_from_slice(data);
}

/// Appends `0000`.
pub(super) fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

#[cfg(test)]
mod tests {
    use super::{Line, MAX_DATA, NotALine, first, flush, write};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(data in proptest::collection::vec(any::<u8>(), 0..300), more in proptest::collection::vec(any::<u8>(), 0..9)) {
            let mut out = Vec::new();
            write(&mut out, &data);
            let length = out.len();
            for cut in 0..length {
                prop_assert_eq!(first(&out[..cut]), Ok(None));
            }
            out.extend(more);
            prop_assert_eq!(first(&out), Ok(Some((Line::Data(&data), length))));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = first(&bytes);
        }
    }

    #[test]
    fn odd_lengths_are_refused() {
        for wrong in ["0001", "0002", "0003", "ffff", "00g0", "+004", " 004", "-001"] {
            assert_eq!(first(wrong.as_bytes()), Err(NotALine), "{wrong}");
        }
        assert_eq!(first(b"0004"), Ok(Some((Line::Data(b""), 4))));
        let mut out = Vec::new();
        flush(&mut out);
        assert_eq!(first(&out), Ok(Some((Line::Flush, 4))));
        out.clear();
        write(&mut out, &vec![b'x'; MAX_DATA + 10]);
        assert_eq!(out.len(), MAX_DATA + 4);
    }
}
