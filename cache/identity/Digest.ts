/**
 * Digests: SHA-256, in lower-case hexadecimal.
 *
 * Bytes are addressed by the plain SHA-256 of their content, so that `sha256sum` agrees. Everything else is digested
 * under a tag that names the kind of thing and the version of its encoding: the pre-image is `<tag> NUL <length> NUL
 * <canonical JSON>`, so no two kinds of things, and no two splits of the same characters, share a digest.
 */
import { createHash, hash } from "node:crypto"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as CanonicalJson from "./CanonicalJson.ts"

const pattern = /^[0-9a-f]{64}$/u
export const Digest = Schema.String.check(Schema.isPattern(pattern)).pipe(Schema.brand("Digest"))
export type Digest = typeof Digest.Type
export const isDigest = (value: unknown): value is Digest => typeof value === "string" && pattern.test(value)

/** SHA-256 of `bytes` themselves. */
export const ofBytes = (bytes: Uint8Array): Digest => hash("sha256", bytes, "hex") as Digest

/** SHA-256 of text in UTF-8. */
export const ofText = (text: string): Digest => hash("sha256", text, "hex") as Digest

const framed = (tag: string, text: string): Digest =>
  hash("sha256", `${tag}\0${Buffer.byteLength(text)}\0${text}`, "hex") as Digest

/** Digest of a value under a tag such as `"Tree/v1"`. */
export const ofValue = (tag: string, value: unknown): Result.Result<Digest, CanonicalJson.NotCanonical> =>
  Result.map(CanonicalJson.encode(value), (text) => framed(tag, text))

/** `ofValue` of a value whose canonical text is known. */
export const ofCanonical = framed

/** `ofValue` of a value whose type already says that it is JSON. */
export const ofJson = (tag: string, value: CanonicalJson.Json): Digest => framed(tag, CanonicalJson.encodeJson(value))

/** An incremental SHA-256, for content that does not fit in memory. */
export const incremental = (): { readonly update: (bytes: Uint8Array) => void; readonly digest: () => Digest } => {
  const state = createHash("sha256")
  return { update: (bytes) => void state.update(bytes), digest: () => state.digest("hex") as Digest }
}

/** The first 12 characters, which distinguish digests on a screen. */
export const short = (digest: Digest): string => digest.slice(0, 12)
