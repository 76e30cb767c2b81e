//! The last good snapshot as a file, so that a pod starts while the operator is down.
//!
//! Lines of JSON: a head with the position, the objects with their secrets sealed beside them, a foot with the hash of
//! all before it. Replaced as a whole, so that it is one state or another. Whatever is wrong with a file is an error and
//! never more: the pod starts without it.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::Path;

use bytes::Bytes;
use ringway_config_stream::limits::RESOURCES;
use ringway_config_stream::resource::{DecodeError, EncodeError, Encoded, Object, hash};
use ringway_config_stream::{Key, Kind, Position};
use ringway_seal::{Keyring, NotAuthentic, SealError};
use ringway_snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3;

use super::keeper::Copy;

/// Of the file; another one is foreign or of another version.
const FORMAT: &str = "ringway-snapshot/1";
/// A file is not larger: an update of full size, with its secrets in base64.
const FILE_BYTES: u64 = 768 << 20;
/// A line is not longer: a resource of full size.
const LINE_BYTES: u64 = 48 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("line {line} is not what it should be: {problem}")]
    Line { line: usize, problem: String },
    #[error("it is of another format, or no snapshot at all")]
    Format,
    #[error("it is larger than any snapshot")]
    TooLarge,
    #[error("it is cut off or damaged")]
    Damaged,
    #[error("{key}: {error}")]
    Decode { key: Key, error: DecodeError },
    #[error("{0}: its secrets were sealed with other keys")]
    Sealed(Key),
    #[error("{key}: {error}")]
    Encode { key: Key, error: EncodeError },
    #[error(transparent)]
    Seal(#[from] SealError),
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    generation: u64,
    position: Position,
    objects: usize,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    kind: String,
    name: String,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secrets: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Foot {
    end: String,
}

/// Counts and hashes what goes to the file.
struct Out {
    file: BufWriter<File>,
    hash: Xxh3,
    bytes: u64,
}

/// Reads line by line within the bounds.
struct In {
    file: BufReader<File>,
    hash: Xxh3,
    line: usize,
}

/// Replaces the file.
pub(super) fn write(path: &Path, copy: &Copy, keyring: &Keyring) -> Result<(), DiskError> {
    let temporary = path.with_extension("new");
    let written = write_to(&temporary, copy, keyring).and_then(|()| {
        fs::rename(&temporary, path)?;
        // The rename itself is in the directory.
        let directory = path.parent().unwrap_or_else(|| Path::new("."));
        Ok(File::open(directory)?.sync_all()?)
    });
    if written.is_err() {
        // It may not be there.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// `None`: there is no file.
pub(super) fn read(path: &Path, keyring: &Keyring) -> Result<Option<Copy>, DiskError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(DiskError::Format);
    }
    if metadata.len() > FILE_BYTES {
        return Err(DiskError::TooLarge);
    }
    let mut file = In { file: BufReader::new(file), hash: Xxh3::new(), line: 0 };
    let head: Head = serde_json::from_slice(&file.line()?).map_err(|_| DiskError::Format)?;
    if head.format != FORMAT || head.objects > RESOURCES {
        return Err(DiskError::Format);
    }
    let mut snapshot = Snapshot { generation: head.generation, ..Snapshot::default() };
    for _ in 0..head.objects {
        let line = file.line()?;
        object(&line, keyring, file.line)?.put_into(&mut snapshot);
    }
    file.end()?;
    Ok(Some(Copy { snapshot, position: head.position }))
}

fn write_to(path: &Path, copy: &Copy, keyring: &Keyring) -> Result<(), DiskError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = Out { file: BufWriter::new(options.open(path)?), hash: Xxh3::new(), bytes: 0 };
    let Copy { snapshot, position } = copy;
    let objects = snapshot.listeners.len() + snapshot.backends.len() + snapshot.routes.len();
    let (format, generation, position) = (FORMAT.to_owned(), snapshot.generation, position.clone());
    out.line(&Head { format, generation, position, objects })?;
    for object in Object::all(snapshot) {
        let encoded = object.encode().map_err(|error| DiskError::Encode { key: object.key(), error })?;
        let body = std::str::from_utf8(&encoded.body).map_err(|_| DiskError::Format)?;
        out.line(&Line {
            kind: encoded.key.kind.as_str().to_owned(),
            name: encoded.key.name.clone(),
            body: serde_json::from_str(body).map_err(|_| DiskError::Format)?,
            secrets: seal(&encoded, keyring)?,
        })?;
    }
    let end = format!("{:016x}", out.hash.digest());
    out.line(&Foot { end })?;
    out.file.flush()?;
    Ok(out.file.get_ref().sync_all()?)
}

/// Each with its length before it, sealed to the object that they belong to.
fn seal(encoded: &Encoded, keyring: &Keyring) -> Result<Option<String>, SealError> {
    if encoded.secrets.is_empty() {
        return Ok(None);
    }
    let mut content = Vec::new();
    for secret in &encoded.secrets {
        content.extend_from_slice(&(secret.len() as u64).to_be_bytes());
        content.extend_from_slice(secret);
    }
    keyring.seal_state(&encoded.key.to_string(), &content).map(Some)
}

fn object(line: &[u8], keyring: &Keyring, number: usize) -> Result<Object, DiskError> {
    let wrong = |problem: String| DiskError::Line { line: number, problem };
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
    let kind = Kind::named(&line.kind).ok_or_else(|| wrong("an unknown kind".to_owned()))?;
    let key = Key { kind, name: line.name };
    let secrets = match line.secrets {
        None => vec![],
        Some(sealed) => {
            let opened = keyring.open_state(&key.to_string(), &sealed);
            let content = opened.map_err(|NotAuthentic| DiskError::Sealed(key.clone()))?;
            unpacked(&content).ok_or_else(|| wrong("secrets that are cut off".to_owned()))?
        }
    };
    let body = Bytes::copy_from_slice(line.body.get().as_bytes());
    let encoded = Encoded { hash: hash(&body, &secrets), key: key.clone(), body, secrets };
    encoded.decode().map_err(|error| DiskError::Decode { key, error })
}

fn unpacked(mut content: &[u8]) -> Option<Vec<Bytes>> {
    let mut secrets = Vec::new();
    while !content.is_empty() {
        let (length, rest) = content.split_first_chunk()?;
        let (secret, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        secrets.push(Bytes::copy_from_slice(secret));
        content = rest;
    }
    Some(secrets)
}

// === impl Out ===

impl Out {
    fn line(&mut self, line: &impl Serialize) -> Result<(), DiskError> {
        let mut bytes = serde_json::to_vec(line).map_err(io::Error::from)?;
        bytes.push(b'\n');
        self.bytes += bytes.len() as u64;
        if self.bytes > FILE_BYTES || bytes.len() as u64 > LINE_BYTES {
            return Err(DiskError::TooLarge);
        }
        self.hash.update(&bytes);
        Ok(self.file.write_all(&bytes)?)
    }
}

// === impl In ===

impl In {
    fn line(&mut self) -> Result<Vec<u8>, DiskError> {
        let mut bytes = Vec::new();
        (&mut self.file).take(LINE_BYTES).read_until(b'\n', &mut bytes)?;
        if bytes.last() != Some(&b'\n') {
            return Err(DiskError::Damaged);
        }
        self.line += 1;
        self.hash.update(&bytes);
        Ok(bytes)
    }

    fn end(&mut self) -> Result<(), DiskError> {
        let expected = format!("{:016x}", self.hash.digest());
        let foot: Foot = serde_json::from_slice(&self.line()?).map_err(|_| DiskError::Damaged)?;
        let is_all = self.file.fill_buf()?.is_empty();
        if foot.end == expected && is_all { Ok(()) } else { Err(DiskError::Damaged) }
    }
}
