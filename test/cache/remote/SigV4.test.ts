/** Signatures for S3, by the examples that Amazon publishes (AmazonS3/latest/API/sig-v4-header-based-auth.html). */
import { describe, expect, it } from "vitest"
import * as Digest from "../../../cache/identity/Digest.ts"
import { sign } from "../../../cache/remote/engine/SigV4.ts"

const credentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
}
const now = new Date("2013-05-24T00:00:00.000Z")
const empty = Digest.ofText("")

describe("a signature for S3", () => {
  it.each([
    [
      "an object",
      { method: "GET", path: "test.txt", payload: empty, headers: { range: "bytes=0-9" } },
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    ],
    [
      "an upload",
      {
        method: "PUT",
        path: "test$file.text",
        payload: Digest.ofText("Welcome to Amazon S3."),
        headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" }
      },
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    ],
    [
      "a query without a value",
      { method: "GET", path: "?lifecycle", payload: empty },
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    ],
    [
      "a list",
      { method: "GET", path: "?max-keys=2&prefix=J", payload: empty },
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    ]
  ])("of %s is as published", (_what, { path, ...request }, signature) => {
    const url = new URL(`https://examplebucket.s3.amazonaws.com/${path}`)
    const { authorization } = sign(credentials, "us-east-1", { ...request, url }, now)
    expect(authorization).toContain(`Signature=${signature}`)
  })

  it("covers a session's token, and keeps the secret to itself", () => {
    const url = new URL("https://examplebucket.s3.amazonaws.com/cas/x")
    const request = { method: "GET", url, payload: empty }
    const headers = sign({ ...credentials, sessionToken: "token" }, "us-east-1", request, now)
    expect(headers["x-amz-security-token"]).toBe("token")
    expect(headers["authorization"]).toContain(
      "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"
    )
    expect(JSON.stringify(headers)).not.toContain(credentials.secretAccessKey)
  })
})
