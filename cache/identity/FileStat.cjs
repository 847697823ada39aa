/**
 * FileStat: whether a file is the same as before, by what the system says of it.
 *
 * A file is the same while size, mtime, ctime and inode are: its four *figures*. That is believed only of a file that was already
 * older than the clock's tick when it was looked at (the racy rule): a change within the tick leaves the same figures.
 *
 * CommonJS, since the program's start asks it too, before anything strips types. Types are in FileStat.d.cts.
 */
"use strict"

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

const hasFigures = (figures, at, stat) =>
  figures[at] === stat.sizeBytes &&
  figures[at + 1] === stat.mtimeMs &&
  figures[at + 2] === stat.ctimeMs &&
  figures[at + 3] === stat.inode
exports.hasFigures = hasFigures

exports.isAsBefore = (figures, stat) =>
  figures === null || stat === undefined ? figures === null && stat === undefined : hasFigures(figures, 0, stat)

exports.isSame = (a, b) =>
  a?.sizeBytes === b?.sizeBytes && a?.mtimeMs === b?.mtimeMs && a?.ctimeMs === b?.ctimeMs && a?.inode === b?.inode

exports.isRacy = ({ mtimeMs, ctimeMs }, nowMs) =>
  Math.max(mtimeMs, ctimeMs) + (ctimeMs % 1000 === 0 ? coarseTickMs : tickMs) >= nowMs
