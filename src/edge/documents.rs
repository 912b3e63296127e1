//! Trusted documents: a folder of `.graphql` files, read and validated at the start, served by id.
//!
//! A document has two ids: `sha256:` with the hash of its text, as the appendix on persisted documents of GraphQL over
//! HTTP has it, and the name of its file without the ending. Nothing is ever added while the hub runs.

use std::{
    collections::HashMap,
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use tavolo_resolvers::Graph;

/// What the hub was told to trust, it cannot.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The folder or a file cannot be read.
    #[error("cannot read {0}: {1}")]
    File(PathBuf, std::io::Error),
    /// A file is no document that this hub would answer.
    #[error("{0} is no document for this hub: {1}")]
    Document(PathBuf, String),
    /// A file has a name that is no id.
    #[error("{0} is no id: a name has letters, digits and - . _ ~")]
    Name(PathBuf),
}

/// A document that the hub trusts.
#[derive(Debug)]
pub struct Document {
    /// The name of its file, without the ending.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The documents that a hub trusts.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    by_id: HashMap<String, Arc<Document>>,
    by_text: HashMap<String, Arc<Document>>,
}

impl Documents {
    /// Reads the documents of a folder.
    ///
    /// # Errors
    ///
    /// The first file that cannot be trusted, and why.
    pub fn read(folder: &Path) -> Result<Self, DocumentError> {
        let refused = |error| DocumentError::File(folder.to_owned(), error);
        let entries = std::fs::read_dir(folder).map_err(refused)?;
        let mut paths =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(refused)?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "graphql"));
        paths.sort();
        let mut documents = Self::default();
        for path in paths {
            documents.add(document(path)?);
        }
        Ok(documents)
    }

    fn add(&mut self, document: Document) {
        let document = Arc::new(document);
        self.by_id.insert(hash(&document.text), Arc::clone(&document));
        self.by_id.insert(document.name.clone(), Arc::clone(&document));
        self.by_text.insert(document.text.clone(), document);
    }

    /// The document with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<Document>> {
        self.by_id.get(id)
    }

    /// The document with this very text.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Option<&Arc<Document>> {
        self.by_text.get(text)
    }
}

fn document(path: PathBuf) -> Result<Document, DocumentError> {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        return Err(DocumentError::Name(path));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| DocumentError::File(path.clone(), error))?;
    match Graph::validate(&text) {
        Ok(()) => Ok(Document { name: name.to_owned(), text }),
        Err(why) => Err(DocumentError::Document(path, why)),
    }
}

/// The id that a text has by itself.
fn hash(text: &str) -> String {
    let mut id = String::from("sha256:");
    for byte in Sha256::digest(text) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_hash_is_the_one_of_the_appendix() {
        let text = "query ($id: ID!) {\n  user(id: $id) {\n    name\n  }\n}";
        assert_eq!(hash(text), "sha256:7dba4bd717b41f10434822356a93c32b1fb4907b983e854300ad839f84cdcd6e");
    }
}
