//! What bounds the memory of this process: the machine, its control groups, and its own limits.

use crate::proving::memory::cgroup;
use crate::proving::memory::room::{MemoryBound, Room};
use crate::proving::process;

/// Everything that bounds the memory of this process. Empty where the system says nothing, and nothing was
/// given.
pub(crate) fn rooms(given: Option<u64>) -> Vec<Room> {
    let resident = process::resident_bytes().unwrap_or(0);
    let room = |bytes: u64, swap, bound| Room { bytes, swap, bound };
    let mut rooms = cgroup::rooms(resident);
    if let Some(free) = process::available_bytes() {
        let swap = process::free_swap_bytes().unwrap_or(0);
        rooms.push(room(free + resident, swap, MemoryBound::Machine));
    }
    let limits = [
        (
            process::address_space_limit(),
            process::address_space_bytes(),
            MemoryBound::AddressSpace,
        ),
        (
            process::data_limit(),
            process::data_bytes(),
            MemoryBound::Data,
        ),
    ];
    for (limit, used, bound) in limits {
        if let Some(limit) = limit {
            // What is mapped already is not all resident, and is not to be had again.
            let mapped = used.unwrap_or(0).saturating_sub(resident);
            rooms.push(room(limit.saturating_sub(mapped), 0, bound));
        }
    }
    rooms.extend(given.map(|bytes| room(bytes, 0, MemoryBound::Given)));
    rooms
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_room_and_a_bound_is_one_more() {
        let own = rooms(None);
        let machine = own.iter().find(|it| it.bound == MemoryBound::Machine);
        // No process of this kind fits into a page.
        assert!(machine.unwrap().bytes > 4096);
        let given = rooms(Some(7));
        assert_eq!(given.len(), own.len() + 1);
        let least = given.iter().min_by_key(|it| it.bytes).unwrap();
        assert_eq!((least.bytes, &least.bound), (7, &MemoryBound::Given));
    }
}
