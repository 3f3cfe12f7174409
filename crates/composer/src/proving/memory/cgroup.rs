//! Memory limits of control groups, of both versions: of the group of this process and of all around it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::proving::memory::room::{MemoryBound, Room};

/// Version 1 says this much, less a page, where there is no limit.
const NO_LIMIT: u64 = 1 << 62;

/// Which files say what, in one of the versions.
struct Version {
    /// Limits; the least of them holds.
    limits: &'static [&'static str],
    /// What is used of them.
    usage: &'static str,
    /// The line of `memory.stat` with what is used by files that can be dropped at once.
    droppable: &'static str,
    /// Says `0` where a limit does not hold for the groups below: version 1 alone.
    hierarchy: Option<&'static str>,
}

const FIRST: Version = Version {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    droppable: "total_inactive_file",
    hierarchy: Some("memory.use_hierarchy"),
};
/// Above `memory.high` a process is held up until it is as good as stopped.
const SECOND: Version = Version {
    limits: &["memory.max", "memory.high"],
    usage: "memory.current",
    droppable: "inactive_file",
    hierarchy: None,
};

/// Rooms of all control groups that this process, which holds so many bytes, is in. Empty where there are
/// none with a limit.
pub(super) fn rooms(resident: u64) -> Vec<Room> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    rooms_of(
        &read("/proc/self/cgroup"),
        &read("/proc/self/mountinfo"),
        Path::new("/"),
        resident,
    )
}

/// As [`rooms`], by the text of both files, with all folders below `top`.
fn rooms_of(groups: &str, mounts: &str, top: &Path, resident: u64) -> Vec<Room> {
    let mut rooms = vec![];
    for line in groups.lines() {
        // hierarchy:controllers:path
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let version = match controllers {
            "" => &SECOND,
            some if some.split(',').any(|it| it == "memory") => &FIRST,
            _ => continue,
        };
        for mount in mounts
            .lines()
            .filter_map(|line| Mount::parse(line, version))
        {
            let inside = mount.inside(path);
            let folders = inside.ancestors().map(|part| mount.folder(part));
            for (depth, folder) in folders.enumerate() {
                let real = top.join(folder.strip_prefix("/").unwrap_or(&folder));
                rooms.extend(room(&real, &folder, version, depth, resident));
            }
        }
    }
    rooms
}

/// Where a hierarchy of control groups is mounted.
struct Mount {
    /// The group that stands at the mount point.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// A line of `mountinfo`: `id parent device root point options [fields] - type source options`.
    fn parse(line: &str, version: &Version) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let wanted = match version.hierarchy {
            None => name == "cgroup2",
            Some(_) => name == "cgroup" && options.split(',').any(|it| it == "memory"),
        };
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        wanted.then(|| Self {
            root: unescape(root).into(),
            point: unescape(point).into(),
        })
    }

    /// The folder of a group, by its path below the mount point.
    fn folder(&self, inside: &Path) -> PathBuf {
        if inside.as_os_str().is_empty() {
            // Joined with nothing, a path would end in a slash.
            return self.point.clone();
        }
        self.point.join(inside)
    }

    /// The path of a group below the mount point. A group that is not below the one that stands there, as a
    /// container may see it, is taken for that one.
    fn inside(&self, group: &str) -> PathBuf {
        match Path::new(group).strip_prefix(&self.root) {
            Ok(inside) if inside.components().all(is_name) => inside.to_owned(),
            _ => PathBuf::new(),
        }
    }
}

fn is_name(part: std::path::Component<'_>) -> bool {
    matches!(part, std::path::Component::Normal(_))
}

/// Spaces and the like stand in `mountinfo` as three octal digits behind a backslash.
fn unescape(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What a group leaves to this process, which is `depth` groups below it.
fn room(real: &Path, shown: &Path, version: &Version, depth: usize, resident: u64) -> Option<Room> {
    let read = |name: &str| fs::read_to_string(real.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    if depth > 0 {
        let hierarchy = version.hierarchy.and_then(read);
        if hierarchy.is_some_and(|text| text.trim() == "0") {
            return None;
        }
    }
    // `max` is not a number.
    let limits = version.limits.iter().filter_map(|name| number(name));
    let limit = limits.filter(|limit| *limit < NO_LIMIT).min()?;
    let stat = read("memory.stat").unwrap_or_default();
    let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
    let droppable = lines
        .find(|(name, _)| *name == version.droppable)
        .and_then(|(_, bytes)| bytes.trim().parse().ok())
        .unwrap_or(0);
    let used = number(version.usage)?.saturating_sub(droppable);
    Some(Room {
        bytes: limit.saturating_sub(used).saturating_add(resident),
        swap: 0,
        bound: MemoryBound::ControlGroup {
            path: shown.to_owned(),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A file system with these files.
    fn top(files: &[(&str, &str)]) -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = top.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        top
    }

    /// Folders and bytes of the rooms, the least first.
    fn found(
        groups: &str,
        mounts: &str,
        files: &[(&str, &str)],
        resident: u64,
    ) -> Vec<(String, u64)> {
        let top = top(files);
        let mut found: Vec<_> = rooms_of(groups, mounts, top.path(), resident)
            .into_iter()
            .map(|room| match room.bound {
                MemoryBound::ControlGroup { path } => (path.display().to_string(), room.bytes),
                other => panic!("{other:?}"),
            })
            .collect();
        found.sort_by_key(|(_, bytes)| *bytes);
        found
    }

    const SECOND_MOUNT: &str =
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const FIRST_MOUNT: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                               35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n";

    #[test]
    fn the_least_of_all_groups_around_holds() {
        let files = [
            ("sys/fs/cgroup/a/memory.max", "1000\n"),
            ("sys/fs/cgroup/a/memory.current", "900\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 300\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "100\n"),
            ("sys/fs/cgroup/a/b/c/memory.max", "800\n"),
            ("sys/fs/cgroup/a/b/c/memory.high", "700\n"),
            ("sys/fs/cgroup/a/b/c/memory.current", "50\n"),
        ];
        let expected = [
            ("/sys/fs/cgroup/a".to_owned(), 1000 - 600 + 20),
            ("/sys/fs/cgroup/a/b/c".to_owned(), 700 - 50 + 20),
        ];
        assert_eq!(found("0::/a/b/c\n", SECOND_MOUNT, &files, 20), expected);
    }

    #[test]
    fn limits_of_the_first_version() {
        let group = "9:name=systemd:/\n4:memory:/a/b\n1:cpu:/\n0::/\n";
        let mut files = vec![
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "3000\n"),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "2500\n"),
            ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "2000\n"),
            ("sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "100\n"),
            (
                "sys/fs/cgroup/memory/a/b/memory.stat",
                "inactive_file 1\ntotal_inactive_file 40\n",
            ),
        ];
        let (a, b) = ("/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory/a/b");
        let rooms = found(group, FIRST_MOUNT, &files, 0);
        assert_eq!(rooms, [(a.to_owned(), 500), (b.to_owned(), 1940)]);
        // Where groups are not nested, a limit does not hold for those below.
        files.push(("sys/fs/cgroup/memory/a/memory.use_hierarchy", "0\n"));
        let rooms = found(group, FIRST_MOUNT, &files, 0);
        assert_eq!(rooms, [(b.to_owned(), 1940)]);
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount_point() {
        let files = [
            ("my groups/memory.max", "64\n"),
            ("my groups/memory.current", "4\n"),
        ];
        let expected = [("/my groups".to_owned(), 60)];
        // The group that stands there, one outside of what is mounted, and one that is not to be seen.
        for (group, root) in [
            ("/pods/x", "/pods/x"),
            ("/elsewhere", "/pods/x"),
            ("/../other", "/"),
        ] {
            let mount = format!("1 2 0:3 {root} /my\\040groups rw - cgroup2 none rw\n");
            assert_eq!(found(&format!("0::{group}\n"), &mount, &files, 0), expected);
        }
    }

    #[test]
    fn what_says_nothing_bounds_nothing() {
        for (groups, mounts) in [
            ("", ""),
            ("0::/a\n", ""),
            ("", SECOND_MOUNT),
            ("nonsense\n0::/a\n", "nonsense\n- - -\n"),
        ] {
            assert_eq!(found(groups, mounts, &[], 0), []);
        }
        let files = [("sys/fs/cgroup/memory.max", "1e9")];
        assert_eq!(found("0::/\n", SECOND_MOUNT, &files, 0), []);
    }
}
