// A partner's side of the encryption with npm jose. Reads a JSON request on the standard input and prints one answer:
// {do: "seal", key: PEM, alg, text} -> a token; {do: "open", key: PEM, token} -> {text, header}.
import { readFileSync } from 'node:fs'

const jose = await import(process.env.HOLDFAST_JOSE + '/dist/webapi/index.js')
const ask = JSON.parse(readFileSync(0, 'utf8'))
if (ask.do === 'seal') {
  const key = await jose.importSPKI(ask.key, ask.alg)
  const token = await new jose.CompactEncrypt(new TextEncoder().encode(ask.text))
    .setProtectedHeader({ alg: ask.alg, enc: 'A256GCM' }).encrypt(key)
  process.stdout.write(JSON.stringify({ token }))
} else {
  const key = await jose.importPKCS8(ask.key, 'RSA-OAEP-256')
  const { plaintext, protectedHeader } = await jose.compactDecrypt(ask.token, key)
  process.stdout.write(JSON.stringify({ text: new TextDecoder().decode(plaintext), header: protectedHeader }))
}
