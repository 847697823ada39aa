/**
 * OwnPath: whether what a step wrote names the folder that it worked in.
 *
 * That folder has another name in each run and is gone afterwards. Behind walls it is `/step` for every step, so only what was
 * made without them is searched. A text is refused, since somebody would read the path; in other files (debug information,
 * compiled modules) it is told.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { StepError } from "../../executor/Executor.ts"

const pieceBytes = 2 ** 20

/** Where `sought` is in a file, and whether that is a text; undefined if it is not in it. */
const find = async (
  file: fs.promises.FileHandle,
  sought: Buffer
): Promise<{ readonly isText: boolean } | undefined> => {
  const buffer = Buffer.allocUnsafe(pieceBytes)
  let isText = true
  // of a piece, so much is kept that a name across its end is found
  for (let kept = 0; ; ) {
    const { bytesRead } = await file.read(buffer, kept, pieceBytes - kept)
    if (bytesRead === 0) return undefined
    const piece = buffer.subarray(0, kept + bytesRead)
    isText &&= !piece.includes(0)
    if (piece.includes(sought)) return { isText }
    kept = Math.min(sought.length - 1, piece.length)
    piece.copyWithin(0, piece.length - kept)
  }
}

const foundIn = async (at: string, sought: Buffer) => {
  const file = await fs.promises.open(at, "r")
  return find(file, sought).finally(() => file.close())
}

interface Found {
  readonly name: string
  readonly isText: boolean
}

const search = async (outputDir: string, sought: Buffer): Promise<ReadonlyArray<Found>> => {
  const found: Array<Found> = []
  for (const entry of await fs.promises.readdir(outputDir, { recursive: true, withFileTypes: true })) {
    const at = path.join(entry.parentPath, entry.name)
    // what cannot be read is told when it is taken
    const hit = entry.isFile() ? await foundIn(at, sought).catch(() => undefined) : undefined
    if (hit !== undefined) found.push({ name: path.relative(outputDir, at).split(path.sep).join("/"), ...hit })
  }
  return found
}

/** Fails if a text among the outputs names the folder in which the step worked, by its name; `tell` is told of other files that do. */
export const check = Effect.fnUntraced(function* (
  step: string,
  folderName: string,
  outputDir: string,
  tell: (text: string) => void
) {
  const sought = Buffer.from(folderName)
  const found = yield* Effect.promise(() => search(outputDir, sought).catch(() => []))
  const text = found.find(({ isText }) => isText)
  if (text !== undefined) {
    const reason = `expected outputs that mean the same in every run, but ${text.name} names the folder that this one worked in, which is gone afterwards. Write paths as the step gets them, relative to where it starts`
    return yield* new StepError({ step, fault: "stage", reason, log: null })
  }
  const [first] = found
  if (first === undefined) return
  const others = found.length > 1 ? ` and ${found.length - 1} more` : ""
  tell(
    `${step}: ${first.name}${others} names the folder that the step worked in, which is another in each run. In a sandbox it is /step (see \`op-pipe doctor\`)`
  )
})
