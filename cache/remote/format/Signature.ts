/**
 * Signature: who vouches for a record. Ed25519 over the key and the record, so that an entry cannot be moved to another key.
 *
 * A public key is `ed25519:` and 32 bytes in base64url; it stands in `trust`. The signing key is `op-pipe-signing-key:` and 32
 * bytes; it is a secret, and given by the environment alone.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto"
import * as Digest from "../../identity/Digest.ts"

const publicPrefix = "ed25519:"
const signingPrefix = "op-pipe-signing-key:"
/** What the standard encodings have before the 32 bytes (RFC 8410). */
const publicHeader = Buffer.from("302a300506032b6570032100", "hex")
const privateHeader = Buffer.from("302e020100300506032b657004220420", "hex")

const keyBytes = (prefix: string, text: string): Buffer | undefined => {
  if (!text.startsWith(prefix)) return undefined
  const encoded = text.slice(prefix.length)
  const bytes = Buffer.from(encoded, "base64url")
  // what is no base64 is passed over by Node
  return bytes.length === 32 && bytes.toString("base64url") === encoded ? bytes : undefined
}

export const isPublicKey = (text: string): boolean => keyBytes(publicPrefix, text) !== undefined

const toPublicKey = (text: string): KeyObject | undefined => {
  const bytes = keyBytes(publicPrefix, text)
  return bytes === undefined
    ? undefined
    : createPublicKey({ key: Buffer.concat([publicHeader, bytes]), format: "der", type: "spki" })
}

const endOf = (der: Buffer): string => der.subarray(-32).toString("base64url")

export interface Signer {
  /** Its public key, as `trust` names it. */
  readonly publicKey: string
  readonly key: KeyObject
}

/** The signer that a signing key stands for; undefined if the text is none. */
export const signer = (text: string): Signer | undefined => {
  const bytes = keyBytes(signingPrefix, text.trim())
  if (bytes === undefined) return undefined
  const key = createPrivateKey({ key: Buffer.concat([privateHeader, bytes]), format: "der", type: "pkcs8" })
  return { key, publicKey: `${publicPrefix}${endOf(createPublicKey(key).export({ format: "der", type: "spki" }))}` }
}

/** A new pair of keys, as texts. */
export const generate = (): { readonly publicKey: string; readonly signingKey: string } => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  return {
    publicKey: `${publicPrefix}${endOf(publicKey.export({ format: "der", type: "spki" }))}`,
    signingKey: `${signingPrefix}${endOf(privateKey.export({ format: "der", type: "pkcs8" }))}`
  }
}

/** What is signed. */
const statement = (key: Digest.Digest, record: Uint8Array): Buffer =>
  Buffer.from(["op-pipe/record/v1", key, Digest.ofBytes(record)].join("\0"))

/** The signature of `record` under `key`, as an entry carries it. */
export const make = (signer: Signer, key: Digest.Digest, record: Uint8Array): string =>
  `${signer.publicKey} ${sign(null, statement(key, record), signer.key).toString("base64url")}`

/** Whether one of the keys in `trust` signed `record` for `key`. */
export const isTrusted = (
  trust: ReadonlyArray<string>,
  key: Digest.Digest,
  record: Uint8Array,
  signature: string
): boolean => {
  const [publicKey = "", encoded = ""] = signature.split(" ")
  const trusted = trust.includes(publicKey) ? toPublicKey(publicKey) : undefined
  return trusted !== undefined && verify(null, statement(key, record), trusted, Buffer.from(encoded, "base64url"))
}
