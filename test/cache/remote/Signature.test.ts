/** Signatures of records: of whom, over what, and what else they are good for (nothing). */
import { createPublicKey, verify } from "node:crypto"
import { describe, expect, it } from "vitest"
import * as Digest from "../../../cache/identity/Digest.ts"
import * as Signature from "../../../cache/remote/format/Signature.ts"

const { publicKey, signingKey } = Signature.generate()
const signer = Signature.signer(signingKey)!
const other = Signature.generate()
const key = Digest.ofText("key")
const record = Buffer.from("record")
const signature = Signature.make(signer, key, record)

describe("a signature", () => {
  it("is believed from who is trusted, for its key and record alone", () => {
    expect(signer.publicKey).toBe(publicKey)
    expect(Signature.isTrusted([other.publicKey, publicKey], key, record, signature)).toBe(true)
    expect(Signature.isTrusted([other.publicKey], key, record, signature)).toBe(false)
    expect(Signature.isTrusted([publicKey], Digest.ofText("another"), record, signature)).toBe(false)
    expect(Signature.isTrusted([publicKey], key, Buffer.from("recorc"), signature)).toBe(false)
    for (const wrong of [
      "",
      publicKey,
      `${publicKey} `,
      `${publicKey} AAAA`,
      `${other.publicKey} ${signature.split(" ")[1]}`
    ])
      expect(Signature.isTrusted([publicKey, other.publicKey], key, record, wrong)).toBe(false)
  })

  it("is Ed25519 over a text that anybody can write down", () => {
    const bytes = Buffer.from(publicKey.slice("ed25519:".length), "base64url")
    const jwk = { kty: "OKP", crv: "Ed25519", x: bytes.toString("base64url") }
    const statement = Buffer.from(`op-pipe/record/v1\0${key}\0${Digest.ofText("record")}`)
    const given = Buffer.from(signature.split(" ")[1]!, "base64url")
    expect(verify(null, statement, createPublicKey({ key: jwk, format: "jwk" }), given)).toBe(true)
  })
})

describe("keys", () => {
  it("are told from other texts", () => {
    expect(Signature.isPublicKey(publicKey)).toBe(true)
    for (const wrong of ["", "ed25519:", `${publicKey}A`, publicKey.slice(0, -1), signingKey, `${publicKey} `])
      expect(Signature.isPublicKey(wrong), wrong).toBe(false)
    for (const wrong of ["", "op-pipe-signing-key:", publicKey, signingKey.slice(0, -2)])
      expect(Signature.signer(wrong), wrong).toBeUndefined()
  })
})
