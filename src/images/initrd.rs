//! The initial RAM disk: padded so that Linux finds what is appended to it, and measured, because it is unpacked into memory.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// How the archive inside begins, by compression: Zstandard (what Proxmox uses), gzip, and a plain `cpio` archive.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const GZIP: &[u8] = &[0x1f, 0x8b];
const CPIO: &[u8] = b"07070";
/// How much an initrd of unknown compression is taken to grow: those of Proxmox VE 8.4 and 9.2 grow six times.
const USUAL_GROWTH: u64 = 7;
/// What is unpacked at most: more fits into no machine's initial RAM disk, so the file is a bomb or no initrd.
const LARGEST_BYTES: u64 = 8 << 30;

/// Lengthens the initrd with NULs to a multiple of four bytes: Linux takes the archive that a boot loader appends (with the ISO in
/// it) only at such an offset, and an EFI boot without `LoadFile2` does not align it itself (seen with iPXE of 2019).
pub(super) fn pad(path: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let surplus = file.seek(SeekFrom::End(0))? % 4;
    if surplus != 0 {
        file.write_all(&[0; 4][surplus as usize..])?;
    }
    Ok(())
}

/// Returns how many bytes the initrd unpacks to: exactly where its compression is known, else a cautious guess. Called before it is padded.
pub(super) fn unpacked_bytes(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut begin = Vec::new();
    (&mut file).take(6).read_to_end(&mut begin)?;
    let guess = length.saturating_mul(USUAL_GROWTH);
    if begin.starts_with(ZSTD) {
        file.seek(SeekFrom::Start(0))?;
        return Ok(unpack_zstd(file).unwrap_or(guess));
    }
    if begin.starts_with(GZIP) && length >= 4 {
        // RFC 1952 §2.3.1: the last four bytes are the size, modulo 2^32, which no initrd reaches.
        let mut size = [0; 4];
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut size)?;
        return Ok(u64::from(u32::from_le_bytes(size)).max(length));
    }
    Ok(if begin.starts_with(CPIO) { length } else { guess })
}

fn unpack_zstd(file: File) -> Option<u64> {
    let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::new(file)).ok()?;
    io::copy(&mut decoder.take(LARGEST_BYTES), &mut io::sink()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn the_size_in_memory_is_that_of_the_unpacked_archive() {
        let content = vec![b'a'; 100_000];
        let packed = ruzstd::encoding::compress_to_vec(&content[..], ruzstd::encoding::CompressionLevel::Fastest);
        assert_eq!(unpacked_bytes(file(&packed).path()).unwrap(), 100_000);
        let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        gzip.extend([1, 2, 3, 4]);
        gzip.extend(100_000_u32.to_le_bytes());
        assert_eq!(unpacked_bytes(file(&gzip).path()).unwrap(), 100_000);
        assert_eq!(unpacked_bytes(file(b"070701 and so on").path()).unwrap(), 16);
        assert_eq!(unpacked_bytes(file(b"something else").path()).unwrap(), 7 * 14);
        // Damaged, so guessed.
        assert_eq!(unpacked_bytes(file(&packed[..packed.len() / 2]).path()).unwrap(), 7 * (packed.len() as u64 / 2));
        assert_eq!(unpacked_bytes(file(b"").path()).unwrap(), 0);
    }
}
