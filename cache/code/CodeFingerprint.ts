/** CodeFingerprint: the identity of one stage's code, and the files that it was read from. */
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
  /** The canonical JSON of the code; a key needs nothing else. */
  readonly text: string
  /** Absolute path -> SHA-256 of the file, for each module, each file beside one and all files of linked packages. */
  readonly files: ReadonlyMap<string, Digest.Digest>
  /**
   * Every file that may be loaded or read with the stage, including modules that a re-exporting module loads unasked, and
   * all modules of linked packages.
   */
  readonly loaded: ReadonlyArray<string>
  /** Where Node finds the packages that may be loaded. */
  readonly packages: ReadonlyArray<string>
}

export class CodeFingerprint implements Parts {
  readonly text: string
  readonly files: ReadonlyMap<string, Digest.Digest>
  readonly loaded: ReadonlyArray<string>
  readonly packages: ReadonlyArray<string>

  constructor({ text, files, loaded, packages }: Parts) {
    this.text = text
    this.files = files
    this.loaded = loaded
    this.packages = packages
  }

  get code(): Code {
    return JSON.parse(this.text) as Code
  }
}
