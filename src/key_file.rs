//! The key file: the secret that a database is kept with, on the machine of each of its hubs.
//!
//! It is one line, 32 random bytes in base64 (`openssl rand -base64 32` writes one as well). Whoever opens a database to
//! act in it reads the file; on the first start of a new database it is made.

use std::{
    env,
    fs::{self, DirBuilder},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use tavolo_store::{Key, Store, StoreError, key::SECRET_BYTES};
use zeroize::Zeroizing;

use crate::command::{DatabaseArgs, Failure, print};

/// Where the key of the database is.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// File with the secret that the database is kept with: the same on all hubs of a database, and made on the first
    /// start of a new one. Without it, `tavolo/key` in `XDG_STATE_HOME` or in `~/.local/state`.
    #[arg(long, env = "TAVOLO_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// What is done with keys of databases.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key file, for a new database or in place of one that is lost. One that is there is left alone.
    Make(KeyArgs),
    /// Keep a database with the key of the file from now on, when its own is lost: stop all its hubs first. What the old
    /// key was needed for is dropped: an idempotencyKey of before is answered from its record, whatever the input.
    Replace {
        /// Which database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// The new key.
        #[command(flatten)]
        key: KeyArgs,
    },
}

/// A key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// No file is named, and there is no home to have one in.
    #[error("there is no home folder to keep the key of the database in: name a file with --key-file")]
    Nowhere,
    /// The file is not there, although the database is kept with a key.
    #[error(
        "the key of database {database} is not at {}: copy the key file of its other hubs there, or name it with \
         --key-file; when it is lost, see `tavolo key replace --help`", path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Name of the database.
        database: String,
    },
    /// The file has the key of something else.
    #[error(
        "the key in {} is not that of database {database}: put the key file of its other hubs in its place, or name it \
         with --key-file; when it is lost, see `tavolo key replace --help`", path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// Name of the database.
        database: String,
    },
    /// The file cannot be read or written.
    #[error("key file {}: {fault}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        fault: io::Error,
    },
    /// The file has no key in it. What it has is not told.
    #[error("key file {}: expected one line of 32 random bytes in base64, as `tavolo key make` writes it", .0.display())]
    Content(PathBuf),
    /// The system has no randomness.
    #[error("the system has no randomness to make a key of")]
    Randomness,
    /// The database does not answer, or no keys can be derived.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyArgs {
    /// The file, whether it is there or not.
    pub(crate) fn path(&self) -> Result<PathBuf, KeyFileError> {
        let state = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = || state("XDG_STATE_HOME").or_else(|| Some(state("HOME")?.join(".local/state")));
        let usual = || folder().map(|folder| folder.join("tavolo/key"));
        self.key_file.clone().or_else(usual).ok_or(KeyFileError::Nowhere)
    }

    /// Gives a store the key of its database. Where the database has none yet, the file is made if it is not there.
    ///
    /// # Errors
    ///
    /// When the key cannot be had, or is not the one that the database is kept with.
    pub(crate) async fn unlock(&self, store: Store) -> Result<Store, KeyFileError> {
        let path = self.path()?;
        let name = store.name().to_owned();
        let key = match read(&path)? {
            Some(key) => key,
            None if store.has_key().await? => return Err(KeyFileError::Missing { path, database: name }),
            None => {
                make(&path)?;
                tracing::info!(file = %path.display(), "made a key: keep it safe, and give it to all hubs of this database");
                read(&path)?.ok_or_else(|| KeyFileError::Missing { path: path.clone(), database: name })?
            }
        };
        if is_open_to_others(&path) {
            tracing::warn!(file = %path.display(), "others than its owner may read the key of the database");
        }
        store.with_key(key).await.map_err(|error| match error {
            StoreError::OtherKey(database) => KeyFileError::Other { path, database },
            error => error.into(),
        })
    }
}

/// The key in a file; `None` when there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<Key>, KeyFileError> {
    let text = match fs::read(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(KeyFileError::File { path: path.to_owned(), fault }),
    };
    let mut bytes = Zeroizing::new([0; 2 * SECRET_BYTES]);
    let length = STANDARD.decode_slice(text.trim_ascii(), &mut *bytes).ok();
    let secret = length.and_then(|length| <&[u8; SECRET_BYTES]>::try_from(&bytes[..length]).ok());
    Ok(Some(Key::new(secret.ok_or_else(|| KeyFileError::Content(path.to_owned()))?)?))
}

/// Makes a key file, whole and readable by its owner alone, unless one is there; tells whether it did.
fn make(path: &Path) -> Result<bool, KeyFileError> {
    let failed = |fault| KeyFileError::File { path: path.to_owned(), fault };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    rand::fill(&mut *secret).map_err(|_| KeyFileError::Randomness)?;
    let text = Zeroizing::new(STANDARD.encode(*secret) + "\n");
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    // Two processes may make the file at the same time: the second takes what the first has made.
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(failed(refused.error)),
    }
}

/// Whether somebody beside its owner may read or write the file.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Does what was asked for.
pub(crate) async fn run(command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Make(key) => {
            let path = key.path()?;
            if !make(&path)? {
                return Err(format!("{} is there already", path.display()).into());
            }
            print(&format!(
                "made {}: give it to all hubs of the database, and keep a copy apart from it\n",
                path.display()
            ))
        }
        KeyCommand::Replace { database, key } => {
            let path = key.path()?;
            let new = read(&path)?.ok_or_else(|| {
                format!("{} is not there: make it with `tavolo key make`, and give it to all hubs", path.display())
            })?;
            let store = database.open().await?;
            let dropped = store.replace_key(&new).await?;
            print(&format!(
                "database {} is kept with the key in {} from now on; {dropped} fingerprints of inputs were dropped, whose \
                 idempotencyKeys are answered from their records, whatever the input\n",
                store.name(),
                path.display()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/tavolo/key");
        assert!(read(&path).unwrap().is_none());
        assert!(make(&path).unwrap());
        assert!(read(&path).unwrap().is_some());
        let text = fs::read_to_string(&path).unwrap();
        assert!(!make(&path).unwrap(), "it is there");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            assert!(!is_open_to_others(&path));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(is_open_to_others(&path));
        }
    }

    #[test]
    fn what_is_no_key_is_called_that_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in
            ["", "\n", "secret", "c2VjcmV0", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33]), &"A".repeat(500)]
        {
            fs::write(file.path(), text).unwrap();
            let line = read(file.path()).unwrap_err().to_string();
            assert!(line.contains("base64") && !line.contains('\n'), "{line}");
            assert!(text.len() < 5 || !line.contains(text), "{line}");
        }
        fs::write(file.path(), format!("  {}\r\n", STANDARD.encode([7; SECRET_BYTES]))).unwrap();
        assert!(read(file.path()).unwrap().is_some());
    }
}
