/**
 * FileStat: whether a file is the same as before, by what the system says of it.
 *
 * A file is the same while size, mtime, ctime and inode are: its four *figures*. That is believed only of a file that was already
 * older than the clock's tick when it was looked at (the racy rule): a change within the tick leaves the same figures.
 * And only of a file on a file system whose ctime is the kernel's own (`keepsTimes`).
 *
 * CommonJS, since the program's start asks it too, before anything strips types. Types are in FileStat.d.cts.
 */
"use strict"
const { statfsSync } = require("node:fs")

/** Coarser than any kernel's clock tick (10 ms) and than the slack between two clocks of one machine. */
const tickMs = 50
/** Of file systems that keep times in seconds, or in two (FAT). */
const coarseTickMs = 2100

exports.figureCount = 4

exports.ofNode = ({ size, mtimeMs, ctimeMs, ino }) => ({ sizeBytes: size, mtimeMs, ctimeMs, inode: ino })

exports.figuresOf = (stat) => (stat === undefined ? null : [stat.sizeBytes, stat.mtimeMs, stat.ctimeMs, stat.inode])

exports.writeFigures = (figures, at, stat) => {
  figures[at] = stat.sizeBytes
  figures[at + 1] = stat.mtimeMs
  figures[at + 2] = stat.ctimeMs
  figures[at + 3] = stat.inode
}

const are = (figures, at, size, mtimeMs, ctimeMs, inode) =>
  figures[at] === size && figures[at + 1] === mtimeMs && figures[at + 2] === ctimeMs && figures[at + 3] === inode

const hasFigures = (figures, at, stat) => are(figures, at, stat.sizeBytes, stat.mtimeMs, stat.ctimeMs, stat.inode)
exports.hasFigures = hasFigures

exports.hasFiguresOfNode = (figures, at, stat) => are(figures, at, stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino)

exports.isAsBefore = (figures, stat) =>
  figures === null || stat === undefined ? figures === null && stat === undefined : hasFigures(figures, 0, stat)

exports.isSame = (a, b) =>
  a?.sizeBytes === b?.sizeBytes && a?.mtimeMs === b?.mtimeMs && a?.ctimeMs === b?.ctimeMs && a?.inode === b?.inode

exports.isRacy = ({ mtimeMs, ctimeMs }, nowMs) =>
  Math.max(mtimeMs, ctimeMs) + (ctimeMs % 1000 === 0 ? coarseTickMs : tickMs) >= nowMs

/**
 * File systems, by the kernel's magic numbers, on which a change of a file cannot keep its ctime. On FAT, exFAT and NTFS the
 * ctime is the mtime or nothing, and programs set it back; images (squashfs, erofs, iso9660) are made with fixed times; on
 * network and FUSE file systems it is another machine's, or a program's.
 */
const believed = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x794c7630, // overlay
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
  0xca451a4e, // bcachefs
  0x3153464a, // jfs
  0x52654973 // reiserfs
])
/** Files in memory: the ctime is kept, except that writes through a mapping never change it. */
const inMemory = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */])

const typeOf = (file) => {
  try {
    return statfsSync(file).type
  } catch {
    return undefined
  }
}

/** By device: the type does not change while the device is mounted. */
const types = new Map()

exports.keepsTimes = (file, device, isMapped) => {
  if (process.platform !== "linux" || process.env["OP_PIPE_TRUST_STAT"] === "1") return true
  if (!types.has(device)) types.set(device, typeOf(file))
  const type = types.get(device)
  return believed.has(type) || (!isMapped && inMemory.has(type))
}
