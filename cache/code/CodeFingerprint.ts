/** CodeFingerprint: what the code of one stage is, and the files that it was read from. */
import * as Schema from "effect/Schema"
import type { Code } from "../identity/CacheKey.ts"
import type * as Digest from "../identity/Digest.ts"

/** The code of a stage cannot be known in full. */
export class CodeUnknown extends Schema.TaggedError<CodeUnknown>()("CodeUnknown", {
  file: Schema.String,
  reason: Schema.String
}) {
  readonly fault = "input"

  override get message(): string {
    return `could not identify the code of ${this.file}: ${this.reason}`
  }
}

export interface Parts {
  /** The canonical JSON of the code: for a key, nothing more is needed. */
  readonly text: string
  /** Absolute path -> SHA-256 of the file, for each module that was looked at and all that linked packages hold. */
  readonly files: ReadonlyMap<string, Digest.Digest>
  /** Every module that may be loaded with it, also what a re-exporting module loads and nobody asks for, and all of linked packages. */
  readonly loaded: ReadonlyArray<string>
}

export class CodeFingerprint implements Parts {
  readonly text: string
  readonly files: ReadonlyMap<string, Digest.Digest>
  readonly loaded: ReadonlyArray<string>

  constructor({ text, files, loaded }: Parts) {
    this.text = text
    this.files = files
    this.loaded = loaded
  }

  get code(): Code {
    return JSON.parse(this.text) as Code
  }
}
