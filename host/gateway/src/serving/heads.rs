//! [`Arriving`]: what has come of a head that is not complete, on the budget.
//!
//! Hyper and `h2` keep the bytes of a head until it ends: 128 KiB of one of HTTP/1, 64 KiB of one of HTTP/2, and rustls 64 KiB of
//! a handshake and 16 KiB of a record. With as many connections as may be open that is more than a pod has. A complete head is the
//! request's business.

use std::io;
use std::sync::Arc;

use spindrift_memory::{Budget, Charge, Purpose, Spent, hold_more_of_heads};

/// What a connection may have of a head without being charged for it, in bytes. Hyper's buffer takes as much in any case.
const UNCHARGED_BYTES: usize = 8 * 1024;

/// The charge is a multiple of this, in bytes, so that a head that comes in many pieces changes it a few times.
const STEP_BYTES: usize = 16 * 1024;

/// The share of the budget beyond which no more heads of answers are held, all that is held of answers together: a half.
const ANSWERS_SHARE: usize = 2;

/// A buffer that has grown to hold so many bytes may be twice as large.
const BUFFER_FACTOR: usize = 2;

/// Bytes that are kept until more have come.
#[derive(Debug)]
pub(crate) struct Kept {
    bytes: usize,
    purpose: Purpose,
    charge: Charge,
}

impl Kept {
    /// None, of heads of requests.
    pub(crate) fn of_requests(memory: &Arc<Budget>) -> Self {
        Self::new(memory, Purpose::Heads)
    }

    /// None, of answers.
    pub(crate) fn of_answers(memory: &Arc<Budget>) -> Self {
        Self::new(memory, Purpose::Answers)
    }

    fn new(memory: &Arc<Budget>, purpose: Purpose) -> Self {
        Kept {
            bytes: 0,
            purpose,
            charge: memory.open(purpose),
        }
    }

    /// Whether something is charged for them.
    pub(crate) fn is_charged(&self) -> bool {
        self.charge.bytes() > 0
    }

    /// So many more.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Spent> {
        self.set(self.bytes + bytes)
    }

    /// None any longer.
    pub(crate) fn clear(&mut self) {
        self.bytes = 0;
        self.charge.shrink(usize::MAX);
    }

    /// So many. Where there is no room for them, what was charged stays.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), Spent> {
        self.bytes = bytes;
        let charged = match bytes > UNCHARGED_BYTES {
            true => (bytes * BUFFER_FACTOR).next_multiple_of(STEP_BYTES),
            false => 0,
        };
        match charged.checked_sub(self.charge.bytes()) {
            Some(0) => {}
            Some(more) if self.purpose == Purpose::Heads => {
                hold_more_of_heads(&mut self.charge, more)?;
            }
            Some(more) => {
                let most = self.charge.budget().limit_bytes() / ANSWERS_SHARE;
                self.charge.grow_within(more, most)?;
            }
            None => self.charge.shrink(self.charge.bytes() - charged),
        }
        Ok(())
    }
}

/// What bytes of HTTP/1 belong to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Head,
    /// A body in chunks: trailers, and extensions of chunks, may be among them.
    Chunks,
    /// Another body.
    Body,
}

/// What a client has sent of a head.
#[derive(Debug)]
pub(crate) struct Arriving {
    kept: Kept,
    /// On HTTP/1, what has come beside the parts of a body that were handed over: trailers that do not end, extensions of chunks.
    beside_body: Kept,
    /// The length of the last piece of either.
    last_bytes: usize,
    protocol: Protocol,
}

/// What the first bytes of a connection have shown.
#[derive(Debug)]
enum Protocol {
    /// So many bytes are those that HTTP/2 begins with.
    Unknown(usize),
    Http1,
    Http2(Frames),
}

/// What every connection of HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Arriving {
    /// Nothing yet.
    pub(crate) fn new(memory: &Arc<Budget>) -> Self {
        Arriving {
            kept: Kept::of_requests(memory),
            beside_body: Kept::of_requests(memory),
            last_bytes: 0,
            protocol: Protocol::Unknown(0),
        }
    }

    /// So many bytes of a body were handed over. What had come before the last piece is not kept then.
    pub(crate) fn handed_over(&mut self, bytes: usize) {
        let left = self.beside_body.bytes.min(self.last_bytes);
        // Less has room.
        let _ = self.beside_body.set(left.saturating_sub(bytes));
    }

    /// Takes in what has come, of which `part` says what it belongs to on HTTP/1.
    pub(crate) fn take(&mut self, bytes: &[u8], part: Part) -> Result<(), Spent> {
        let mut rest = bytes;
        if let Protocol::Unknown(seen) = &mut self.protocol {
            let same = PREFACE[*seen..].iter().zip(rest);
            let same = same.take_while(|(expected, byte)| expected == byte).count();
            *seen += same;
            if *seen == PREFACE.len() {
                self.protocol = Protocol::Http2(Frames::default());
                self.kept.clear();
                rest = &rest[same..];
            } else if same < rest.len() {
                self.protocol = Protocol::Http1;
            }
        }
        match &mut self.protocol {
            Protocol::Http2(frames) => {
                frames.take(rest);
                self.kept.set(frames.kept_bytes())
            }
            _ => {
                self.last_bytes = rest.len();
                match part {
                    Part::Head => self.kept.add(rest.len()),
                    Part::Chunks => self.beside_body.add(rest.len()),
                    // Hyper keeps nothing of it that it does not hand over.
                    Part::Body => Ok(()),
                }
            }
        }
    }

    /// On HTTP/1, no head has begun to arrive. Where a body in chunks is expected, a part of it, and of what is beside it, may have come
    /// with the last piece of the head.
    pub(crate) fn no_head(&mut self, expects_chunks: bool) {
        if matches!(self.protocol, Protocol::Http2(_)) || self.kept.bytes == 0 {
            return;
        }
        if expects_chunks {
            // If the budget has no room for these, it has none for the next bytes, and the host refuses those.
            let _ = self.beside_body.set(self.kept.bytes.min(self.last_bytes));
        }
        self.kept.clear();
    }

    /// Whether the client speaks HTTP/1.
    pub(crate) fn is_http1(&self) -> bool {
        matches!(self.protocol, Protocol::Http1)
    }
}

/// How far the frames of HTTP/2 are (RFC 9113, section 4.1).
#[derive(Debug, Default)]
struct Frames {
    /// The head of the frame that has begun, as far as it is there.
    head: [u8; FRAME_HEAD_BYTES],
    head_bytes: usize,
    /// What is still to come of its payload, in bytes.
    left: usize,
    /// Payloads of a field block that has not ended, in bytes.
    block_bytes: usize,
}

/// The length of a frame's head.
const FRAME_HEAD_BYTES: usize = 9;

/// The types of frames that have a field block.
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// The flag of the last frame of a field block.
const END_HEADERS: u8 = 4;

impl Frames {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.head_bytes < FRAME_HEAD_BYTES {
                let count = bytes.len().min(FRAME_HEAD_BYTES - self.head_bytes);
                let end = self.head_bytes + count;
                self.head[self.head_bytes..end].copy_from_slice(&bytes[..count]);
                self.head_bytes = end;
                bytes = &bytes[count..];
                if end == FRAME_HEAD_BYTES {
                    self.left = self.length();
                }
            } else {
                let count = bytes.len().min(self.left);
                self.left -= count;
                bytes = &bytes[count..];
            }
            if self.head_bytes == FRAME_HEAD_BYTES && self.left == 0 {
                self.end_frame();
            }
        }
    }

    /// The length of the frame's payload, in bytes.
    fn length(&self) -> usize {
        let [a, b, c, ..] = self.head;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }

    fn end_frame(&mut self) {
        let [_, _, _, kind, flags, ..] = self.head;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block_bytes = match flags & END_HEADERS {
                0 => self.block_bytes + self.length(),
                _ => 0,
            };
        }
        self.head_bytes = 0;
    }

    /// What `h2` keeps until more has come, in bytes.
    fn kept_bytes(&self) -> usize {
        let begun = match self.head_bytes {
            FRAME_HEAD_BYTES => self.length() - self.left,
            _ => 0,
        };
        self.block_bytes + begun
    }
}

/// The error of a stream that is read no further, since there is no room for what comes.
pub(crate) fn no_room(spent: Spent) -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, spent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut frame = (length as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.resize(FRAME_HEAD_BYTES + length, 7);
        frame
    }

    #[test]
    fn a_head_of_http1_is_charged_until_it_is_complete() {
        let budget = Budget::new(1 << 20);
        let mut arriving = Arriving::new(&budget);
        arriving.take(b"PRI ", Part::Head).expect("room");
        arriving
            .take(&[b'x'; UNCHARGED_BYTES - 4], Part::Head)
            .expect("room");
        assert_eq!(budget.used_bytes(), 0);
        assert!(arriving.is_http1());
        arriving.take(&[b'x'; 50_000], Part::Head).expect("room");
        let charged = budget.used_bytes_for(Purpose::Heads);
        assert!((100_000..140_000).contains(&charged), "{charged}");
        arriving.no_head(false);
        assert_eq!(budget.used_bytes(), 0);
        arriving.take(&[b'x'; 50_000], Part::Body).expect("a body");
        assert_eq!(budget.used_bytes(), 0);
        arriving.take(&[b'x'; 50_000], Part::Chunks).expect("room");
        assert!(budget.used_bytes_for(Purpose::Heads) >= 50_000);
        arriving.handed_over(30_000);
        let beside = budget.used_bytes_for(Purpose::Heads);
        assert!((20_000..100_000).contains(&beside), "{beside}");
        arriving.take(&[b'x'; 10_000], Part::Chunks).expect("room");
        arriving.handed_over(5_000);
        assert_eq!(
            budget.used_bytes(),
            0,
            "what was there before the last piece is not kept"
        );
    }

    #[test]
    fn a_field_block_of_http2_is_charged_until_it_is_complete() {
        let budget = Budget::new(1 << 20);
        let mut arriving = Arriving::new(&budget);
        arriving.take(PREFACE, Part::Head).expect("room");
        arriving
            .take(&frame(4, 0, 0), Part::Head)
            .expect("settings");
        arriving
            .take(&frame(HEADERS, 0, 16_000), Part::Head)
            .expect("room");
        arriving
            .take(&frame(CONTINUATION, 0, 16_000), Part::Head)
            .expect("room");
        let charged = budget.used_bytes();
        assert!((64_000..100_000).contains(&charged), "{charged}");
        arriving.no_head(false);
        assert_eq!(budget.used_bytes(), charged, "it is not of HTTP/1");
        arriving
            .take(&frame(CONTINUATION, END_HEADERS, 10), Part::Head)
            .expect("room");
        assert_eq!(budget.used_bytes(), 0);
        // A frame that has begun.
        arriving
            .take(&frame(0, 0, 16_384)[..16_000], Part::Head)
            .expect("room");
        assert!(budget.used_bytes() >= 16_000);
        drop(arriving);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let budget = Budget::new(160_000);
        let mut arriving = Arriving::new(&budget);
        arriving.take(&[b'x'; 16_000], Part::Head).expect("room");
        assert!(arriving.take(&[b'x'; 16_000], Part::Head).is_err());
        assert_eq!(budget.refusals_for(Purpose::Heads), 1);
    }

    proptest! {
        /// However the bytes come in pieces.
        #[test]
        fn pieces_make_no_difference(
            frames in proptest::collection::vec((0..11_u8, 0..8_u8, 0..300_usize), 0..20),
            cuts in proptest::collection::vec(1..50_usize, 1..50),
        ) {
            let mut bytes = PREFACE.to_vec();
            for (kind, flags, length) in frames {
                bytes.extend(frame(kind, flags, length));
            }
            let mut whole = Frames::default();
            whole.take(&bytes[PREFACE.len()..]);
            let budget = Budget::unlimited();
            let mut arriving = Arriving::new(&budget);
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, others) = rest.split_at((*cut).min(rest.len()));
                arriving.take(piece, Part::Head).expect("room");
                rest = others;
            }
            prop_assert_eq!(arriving.kept.bytes, whole.kept_bytes());
            // Whole frames leave no part of one behind.
            prop_assert_eq!(whole.head_bytes, 0);
        }
    }
}
