/** Values of secrets in what a step prints and says, also where they come in pieces. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Mask from "../../../../core/executor/log/Mask.ts"

const variables = {
  TOKEN: "s3cr3t-token",
  SHORTER: "s3cr3t",
  NEXT: "token-of-another",
  KEY: "-----BEGIN\nMIIEvQ\n-----END",
  ACCENTS: "pässwörd"
}

beforeAll(() => void Object.assign(process.env, variables))
afterAll(() => {
  for (const name of Object.keys(variables)) delete process.env[name]
})

const names = Object.keys(variables)

/** What a stream gives whose pieces end at each of the places. */
const streamed = (text: string, size: number): string => {
  const put = Mask.inStream(names)
  const bytes = Buffer.from(text)
  const pieces: Array<Buffer> = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(put(bytes.subarray(at, at + size)))
  return Buffer.concat([...pieces, put(undefined)]).toString("utf8")
}

const texts: ReadonlyArray<readonly [text: string, masked: string]> = [
  ["a s3cr3t-token b", "a *** b"],
  ["only s3cr3t here", "only *** here"],
  ["s3cr3t-token-of-another!", "***!"],
  ["key: -----BEGIN\nMIIEvQ\n-----END.", "key: ***."],
  ["indented:\n  MIIEvQ\n", "indented:\n  ***\n"],
  ["é pässwörd é", "é *** é"],
  ["s3cr3", "s3cr3"],
  ["nothing at all", "nothing at all"]
]

describe("a secret's value", () => {
  it.each(texts)("in a text: %j", (text, masked) => {
    expect(Mask.inText(names, text)).toBe(masked)
  })

  it.each(texts)("in a stream, in pieces of any size: %j", (text, masked) => {
    for (const size of [1, 2, 3, 5, 7, 1000]) expect(streamed(text, size)).toBe(masked)
  })

  it("is looked for in what comes at once", () => {
    const put = Mask.inStream(names)
    expect(put(Buffer.from("progress 1 of 2\n")).toString()).toBe("progress 1 of 2\n")
  })

  it("that is empty or not there hides nothing", () => {
    expect(Mask.inText(["OP_PIPE_NO_SUCH_VARIABLE"], "text")).toBe("text")
  })
})
