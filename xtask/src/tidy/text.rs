//! Rules about every file.

use super::tree::Tree;
use super::Finding;

/// Folders that exist on somebody's machine; written in parts, so that this file does not name them.
const MACHINE_FOLDERS: [&str; 4] = [
    concat!("/", "tmp/"),
    concat!("/", "work/"),
    concat!("/", "home/"),
    concat!("/", "root/"),
];
/// What snapshot tests leave for review.
const SNAPSHOT_LEFTOVERS: [&str; 2] = [".snap.new", ".pending-snap"];

/// No file names an absolute path of a machine. Where a path goes on to the left (`a/b/c`), it is
/// relative.
pub fn machine_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        for (number, line) in text.lines().enumerate() {
            for folder in MACHINE_FOLDERS {
                let named = line
                    .match_indices(folder)
                    .any(|(at, _)| !line[..at].ends_with(is_path_character));
                if named {
                    let message = format!("names the folder {folder} of a machine");
                    findings.push(Finding::at(path, number + 1, message));
                }
            }
        }
    }
    findings
}

fn is_path_character(c: char) -> bool {
    c.is_alphanumeric() || "._-~}".contains(c)
}

/// No snapshot waits for review.
pub fn leftover_snapshots(tree: &Tree) -> Vec<Finding> {
    let is_leftover = |path: &str| SNAPSHOT_LEFTOVERS.iter().any(|end| path.ends_with(end));
    tree.files()
        .filter(|(path, _)| is_leftover(path))
        .map(|(path, _)| Finding::in_file(path, "a snapshot that nobody has looked at"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_and_relative_paths() {
        let [one, two, three, four] = MACHINE_FOLDERS;
        let text = format!(
            "see {one}x\na{two}b crates{three} ~{four}c\n\"{two}\" and ({three})\nfile://{four}d\nnone"
        );
        let tree = Tree::of(&[("docs/a.md", &text)]);
        let lines: Vec<usize> = machine_paths(&tree).iter().map(|f| f.line).collect();
        assert_eq!(lines, [1, 3, 3, 4]);
    }

    #[test]
    fn snapshots() {
        let tree = Tree::of(&[
            ("a/snapshots/x.snap", ""),
            ("a/snapshots/x.snap.new", ""),
            ("a/src/.lib.rs.pending-snap", ""),
        ]);
        assert_eq!(leftover_snapshots(&tree).len(), 2);
    }
}
