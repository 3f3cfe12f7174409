//! The modules of a crate, and which module a path leads to.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{ImplItem, Item, ItemMod, ItemUse, Macro, Path, UseTree, VisRestricted};

use super::syntax::{is_for_tests, line, unreadable};
use super::tree::Tree;
use super::Finding;

/// Where a module stands: the names from the root of the crate down.
pub type Place = Vec<String>;

/// Resolution follows at most so many names: `use a::b` in a module that takes `a` from elsewhere.
const MAX_HOPS: usize = 32;

/// A path that a module names.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its segments as written.
    pub segments: Vec<String>,
    /// From 1.
    pub line: usize,
}

/// A module, without what is compiled for tests alone.
#[derive(Debug, Default)]
pub struct Module {
    /// The file that holds it.
    pub file: String,
    /// All paths of two or more segments, those of `use` among them.
    pub references: Vec<Reference>,
    children: BTreeSet<String>,
    /// What `use` brings in: name and path.
    names: Vec<(String, Vec<String>)>,
    /// The paths of `use a::*`.
    globs: Vec<Vec<String>>,
    /// What it defines itself.
    items: BTreeSet<String>,
}

/// The modules of one crate, by their places. The root is the empty place.
#[derive(Debug, Default)]
pub struct Modules {
    modules: BTreeMap<Place, Module>,
}

impl Modules {
    /// Reads a crate from the file of its root module. Files that are not there are the compiler's
    /// concern.
    pub fn read(tree: &Tree, root: &str, findings: &mut Vec<Finding>) -> Self {
        let mut modules = Self::default();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        modules.read_file(tree, root, folder, vec![], findings);
        modules
    }

    /// Adds the module of a file, and those below it, whose files stand in `folder`.
    fn read_file(
        &mut self,
        tree: &Tree,
        path: &str,
        folder: &str,
        place: Place,
        findings: &mut Vec<Finding>,
    ) {
        let file = match syn::parse_file(tree.text(path).unwrap_or_default()) {
            Ok(file) => file,
            Err(error) => {
                let (line, message) = unreadable(&error);
                findings.push(Finding::at(path, line, message));
                return;
            }
        };
        let depth = place.len();
        let mut reader = Reader {
            modules: self,
            path,
            place,
            files: vec![],
        };
        reader.module().file = path.to_owned();
        reader.visit_file(&file);
        let files = reader.files;
        for place in files {
            let folder = format!("{folder}/{}", place[depth..].join("/"));
            let candidates = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
            if let Some(path) = candidates.iter().find(|path| tree.text(path).is_some()) {
                self.read_file(tree, path, &folder, place, findings);
            }
        }
    }

    /// All modules, by place.
    pub fn all(&self) -> impl Iterator<Item = (&Place, &Module)> {
        self.modules.iter()
    }

    /// The module that a path leads to which stands in the module `from`: where the item is defined,
    /// whatever passes it on. `None` for a path out of the crate, and for a local name.
    pub fn resolve(&self, from: &[String], segments: &[String]) -> Option<Place> {
        self.follow(from, segments, MAX_HOPS)
    }

    fn follow(&self, from: &[String], segments: &[String], hops: usize) -> Option<Place> {
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => self.descend(vec![], rest, hops),
            "self" => self.descend(from.to_vec(), rest, hops),
            "super" => {
                let (_, parent) = from.split_last()?;
                match rest.first() {
                    Some(next) if next == "super" => self.follow(parent, rest, hops),
                    _ => self.descend(parent.to_vec(), rest, hops),
                }
            }
            name => {
                let module = self.modules.get(from)?;
                let known = module.children.contains(name)
                    || module.names.iter().any(|(known, _)| known == name);
                known.then(|| self.descend(from.to_vec(), segments, hops))?
            }
        }
    }

    /// Follows names downwards from a module.
    fn descend(&self, mut at: Place, segments: &[String], hops: usize) -> Option<Place> {
        for (index, name) in segments.iter().enumerate() {
            let module = self.modules.get(&at)?;
            if module.children.contains(name) {
                at.push(name.clone());
                continue;
            }
            let Some(hops) = hops.checked_sub(1) else {
                return Some(at);
            };
            let onward = |path: &[String]| {
                let path: Vec<String> =
                    path.iter().chain(&segments[index + 1..]).cloned().collect();
                self.follow(&at, &path, hops)
            };
            if let Some((_, path)) = module.names.iter().find(|(known, _)| known == name) {
                return onward(path);
            }
            if module.items.contains(name) {
                return Some(at);
            }
            let through_glob = module.globs.iter().find_map(|glob| {
                let target = self.follow(&at, glob, hops)?;
                let defines = self.modules.get(&target)?.items.contains(name);
                defines.then_some(target)
            });
            return Some(through_glob.unwrap_or(at));
        }
        Some(at)
    }
}

/// Reads what stands in one file.
struct Reader<'a> {
    modules: &'a mut Modules,
    path: &'a str,
    place: Place,
    /// Places of the modules in files of their own.
    files: Vec<Place>,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        self.modules.modules.entry(self.place.clone()).or_default()
    }

    fn refer(&mut self, segments: Vec<String>, line: usize) {
        if segments.len() > 1 {
            self.module().references.push(Reference { segments, line });
        }
    }

    fn add_use(&mut self, tree: &UseTree, before: &[String], line: usize) {
        let with = |name: &str| {
            let mut path = before.to_vec();
            if name != "self" || path.is_empty() {
                path.push(name.to_owned());
            }
            path
        };
        match tree {
            UseTree::Path(path) => {
                let before = with(&path.ident.to_string());
                self.add_use(&path.tree, &before, line);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, before, line);
                }
            }
            UseTree::Glob(_) => {
                self.module().globs.push(before.to_vec());
                self.refer(before.to_vec(), line);
            }
            UseTree::Name(name) => {
                let path = with(&name.ident.to_string());
                let known = path.last().cloned().unwrap_or_default();
                self.module().names.push((known, path.clone()));
                self.refer(path, line);
            }
            UseTree::Rename(name) => {
                let path = with(&name.ident.to_string());
                self.module()
                    .names
                    .push((name.rename.to_string(), path.clone()));
                self.refer(path, line);
            }
        }
    }

    /// Paths among the tokens of a macro's call.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = vec![];
        let mut begins = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.refer(std::mem::take(&mut path), begins);
                        begins = line(ident.span());
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                }
                TokenTree::Group(group) => {
                    self.refer(std::mem::take(&mut path), begins);
                    colons = 0;
                    self.add_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.refer(std::mem::take(&mut path), begins);
                    colons = 0;
                }
            }
        }
        self.refer(path, begins);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = outline(item);
        if is_for_tests(attributes) {
            return;
        }
        if let Some(name) = name {
            self.module().items.insert(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs[..],
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        self.module().children.insert(name.clone());
        self.place.push(name);
        if item.content.is_some() {
            self.module().file = self.path.to_owned();
            visit::visit_item_mod(self, item);
        } else {
            self.files.push(self.place.clone());
        }
        self.place.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let line = line(item.use_token.span);
        self.add_use(&item.tree, &[], line);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if let Some(first) = path.segments.first() {
            self.refer(segments, line(first.ident.span()));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.add_tokens(call.tokens.clone());
    }

    /// Who may see an item is no use of a module.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

/// An item's attributes, and the name that it defines.
fn outline(item: &Item) -> (&[syn::Attribute], Option<String>) {
    let (attributes, name) = match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Mod(item) => (&item.attrs, None),
        Item::Use(item) => (&item.attrs, None),
        _ => return (&[], None),
    };
    (attributes, name.map(ToString::to_string))
}
