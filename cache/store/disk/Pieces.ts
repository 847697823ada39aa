/** Pieces: files that are read, written and hashed piece by piece, beside the event loop. */
import * as fs from "node:fs"
import * as Digest from "../../identity/Digest.ts"

export interface Hashed {
  readonly digest: Digest.Digest
  readonly sizeBytes: number
}

/** Read at once. */
const pieceBytes = 4 * 2 ** 20

/** The digest of a file that does not fit in memory. */
export const hash = async (path: string): Promise<Hashed> => {
  const file = await fs.promises.open(path, "r")
  try {
    const state = Digest.incremental()
    let buffers = [Buffer.allocUnsafe(pieceBytes), Buffer.allocUnsafe(pieceBytes)] as const
    let sizeBytes = 0
    let pending = file.read(buffers[0], 0, pieceBytes)
    for (;;) {
      const { bytesRead } = await pending
      if (bytesRead === 0) return { digest: state.digest(), sizeBytes }
      sizeBytes += bytesRead
      // The next piece is read while this one is hashed.
      pending = file.read(buffers[1], 0, pieceBytes)
      state.update(buffers[0].subarray(0, bytesRead))
      buffers = [buffers[1], buffers[0]]
    }
  } finally {
    await file.close()
  }
}

/** Writes a file durably; replaces an existing one. */
export const write = async (path: string, pieces: ReadonlyArray<Uint8Array>): Promise<void> => {
  const file = await fs.promises.open(path, "w")
  try {
    for (const piece of pieces) await file.writeFile(piece)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Written at once: a socket gives 64 KB, and a call for each takes longer than the writing. */
export const batchBytes = 2 ** 20

/** Writes a new file as its bytes come. Ends at the next piece when `signal` says so. */
export const receive = async (
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal
): Promise<Hashed> => {
  const file = await fs.promises.open(path, "wx")
  try {
    const state = Digest.incremental()
    let sizeBytes = 0
    // one is filled while the other is written
    let [filling, other] = [Buffer.allocUnsafe(batchBytes), Buffer.allocUnsafe(batchBytes)]
    let filled = 0
    let writing: Promise<void> = Promise.resolve()
    const write = async (): Promise<void> => {
      const batch = filling.subarray(0, filled)
      state.update(batch)
      await writing
      writing = file.writeFile(batch)
      writing.catch(() => undefined)
      ;[filling, other] = [other, filling]
      filled = 0
    }
    for await (const piece of pieces) {
      signal.throwIfAborted()
      sizeBytes += piece.length
      for (let at = 0; at < piece.length; ) {
        const part = piece.subarray(at, at + batchBytes - filled)
        filling.set(part, filled)
        filled += part.length
        at += part.length
        if (filled === batchBytes) await write()
      }
    }
    await write()
    await writing
    return { digest: state.digest(), sizeBytes }
  } finally {
    await file.close()
  }
}
