//! Buffers from which packets are being written to TUN queues.

use crate::Buffer;

/// Buffers by the number of the parcel whose writes need them.
#[derive(Default)]
pub(super) struct Parcels {
    parcels: Vec<Parcel>,
}

#[derive(Default)]
struct Parcel {
    open: bool,
    buffers: Vec<Buffer>,
}

impl Parcels {
    /// Begins a parcel with these buffers; its number.
    pub(super) fn open(&mut self, buffers: impl Iterator<Item = Buffer>) -> u16 {
        let index = match self.parcels.iter().position(|parcel| !parcel.open) {
            Some(index) => index,
            None => {
                self.parcels.push(Parcel::default());
                self.parcels.len() - 1
            }
        };
        let parcel = &mut self.parcels[index];
        parcel.open = true;
        parcel.buffers.extend(buffers);
        // Each open parcel has a write under way, which has a slot with a number of this size.
        index as u16
    }

    pub(super) fn add(&mut self, number: u16, buffers: impl Iterator<Item = Buffer>) {
        if let Some(parcel) = self.parcels.get_mut(usize::from(number)) {
            parcel.buffers.extend(buffers);
        }
    }

    pub(super) fn buffers(&self, number: u16) -> &[Buffer] {
        let parcel = self.parcels.get(usize::from(number));
        parcel.map_or(&[], |parcel| &parcel.buffers)
    }

    /// Ends the parcels that are done and hands out their buffers.
    pub(super) fn end(&mut self, is_done: impl Fn(u16) -> bool, mut give: impl FnMut(Buffer)) {
        for (number, parcel) in self.parcels.iter_mut().enumerate() {
            if parcel.open && is_done(number as u16) {
                parcel.open = false;
                parcel.buffers.drain(..).for_each(&mut give);
            }
        }
    }

    /// Gives up the buffers without freeing them.
    pub(super) fn leak(&mut self) {
        for parcel in &mut self.parcels {
            parcel.buffers.drain(..).for_each(core::mem::forget);
        }
    }
}
