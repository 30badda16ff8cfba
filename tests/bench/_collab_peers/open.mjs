// Opens documents, each by one stock document of Yjs: `open.mjs '{"urls", "headers", "chars", "vector", "held"}'`. Prints,
// for each, how many milliseconds went by from the socket's opening until all was there: step 2, and a text of so many
// characters. With `vector`, [[client, clock]], it asks for what follows that, and step 2 alone counts. With `held` it
// then keeps them open until stdin ends.
import { performance } from 'node:perf_hooks'
import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { NOTHING_NEW, SYNC, Wire } from './wire.mjs'

const { urls, headers, chars, vector, held } = JSON.parse(process.argv[2])
const wire = new Wire('y-websocket')

const open = url => new Promise((resolve, reject) => {
  const doc = new Y.Doc()
  const socket = wire.socket(url, { headers })
  let opened
  let answered = false
  socket.on('open', () => {
    opened = performance.now()
    socket.send(wire.hello('', Y.encodeStateVector(vector ? new Map(vector) : doc)))
  })
  socket.on('message', data => {
    const [type, decoder] = wire.read(data)
    if (type !== SYNC) return
    const step = decoding.readVarUint(decoder)
    const body = decoding.readVarUint8Array(decoder)
    if (step === 0) return socket.send(wire.sync('', 1, NOTHING_NEW))
    const ms = performance.now() - opened
    answered ||= step === 1
    Y.applyUpdate(doc, body)
    if (!answered || (!vector && doc.getText('text').length !== chars)) return
    resolve(ms)
    if (!held) socket.close()
  })
  socket.on('error', reject)
  socket.on('close', code => reject(new Error(`closed: ${code}`)))
})

for (const url of urls) console.log(await open(url))
if (!held) process.exit(0)
process.stdin.on('end', () => process.exit(0)).resume()
