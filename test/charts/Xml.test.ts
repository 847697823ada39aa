/** Names of classes and files in SVG and HTML. */
import { expect, it } from "vitest"
import { escapeXml } from "../../charts/Xml.ts"

it.each([
  ["a & b < 'c'", "a &#38; b &#60; &#39;c&#39;"],
  // hermetic 25: a class in a folder with such a name
  ["fa\u001bces\u0000", "fa\ufffdces\ufffd"],
  ["half \ud83d, whole 😀\t\n", "half \ufffd, whole 😀\t\n"]
])("%j is written as %j", (text, written) => expect(escapeXml(text)).toBe(written))
