/** A text as the bytes of a file. */
const encoder = new TextEncoder()

export const utf8 = (text: string): Uint8Array => encoder.encode(text)
