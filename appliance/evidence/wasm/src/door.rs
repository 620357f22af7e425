//! The only door of the module: what it imports, and what the worker of the page calls. Numbers alone go through it.

use crate::ask::answer;
use crate::files::Source;
use core::cell::RefCell;

// SAFETY: the worker gives both with these types; `read` alone takes a pointer, and says below what it does with it.
#[link(wasm_import_module = "files")]
unsafe extern "C" {
    /// Writes `length` bytes of file `file` from `at` on to `to`; 1 when it did.
    fn read(file: u32, at: u64, to: *mut u8, length: u32) -> u32;
    /// So many bytes are going to be read.
    fn expect(bytes: u64);
}

struct Worker;

impl Source for Worker {
    fn read(&self, file: u32, at: u64, to: &mut [u8]) -> bool {
        let Ok(length) = u32::try_from(to.len()) else { return false };
        // SAFETY: the worker writes `length` bytes from the pointer on, which is all of a slice that is ours alone, and keeps neither.
        unsafe { read(file, at, to.as_mut_ptr(), length) == 1 }
    }

    fn expect(&self, bytes: u64) {
        // SAFETY: a number goes out and nothing comes back.
        unsafe { expect(bytes) }
    }
}

thread_local! {
    /// The question, then the answer. The module has one thread.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
extern "C" fn room(length: u32) -> *mut u8 {
    TEXT.with_borrow_mut(|text| {
        *text = vec![0; length as usize];
        text.as_mut_ptr()
    })
}

// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
extern "C" fn verify() -> u32 {
    let question = TEXT.take();
    let told = answer(&question, &Worker);
    // Strings, numbers and lists of them always have a JSON form.
    let told = serde_json::to_vec(&told).unwrap_or_default();
    let length = u32::try_from(told.len()).unwrap_or(0);
    TEXT.set(told);
    length
}

// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
extern "C" fn text() -> *const u8 {
    TEXT.with_borrow(|text| text.as_ptr())
}
