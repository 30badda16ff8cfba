// Writers who believe what they are told: `writers.mjs '{"protocol", "urls", "rooms", "headers", "writers", "hz"}'`.
//
// Each types a character so many times a second into one of the rooms and notes up to where the server says that all is
// safe. Whoever is cut off comes back as somebody new, with an empty document and another Yjs client id, so that nothing
// is ever sent twice: what had been acknowledged is in the server's hands alone. A line on stdin ends the typing; then the
// answer is a line of JSON: how many characters were "acknowledged", and what was, as {room: {client: clock}} in "safe".
import { createInterface } from 'node:readline'
import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { AUTH, NOTHING_KNOWN, NOTHING_NEW, SAVED, SYNC, Wire } from './wire.mjs'

const { protocol, urls, rooms, headers, writers: WRITERS, hz: HZ } = JSON.parse(process.argv[2])
const wire = new Wire(protocol)
const BACK_MS = 100

const safe = Object.fromEntries(rooms.map(room => [room, {}]))
let typing = true

class Writer {
  constructor (number) { this.number = number; this.room = rooms[number % rooms.length] }

  come () {
    const doc = this.doc = new Y.Doc()
    const text = doc.getText('text')
    const sent = [] // the clock at the end of each data frame that waits for its word
    let acknowledged = 0; let frames = 0; let timer = null
    const socket = wire.socket(urls[this.number % urls.length], { room: this.room, query: '?status=1', headers })
    const told = until => {
      for (; sent.length && sent[0].frame <= until; acknowledged = sent.shift().clock);
      if (acknowledged) safe[this.room][doc.clientID] = acknowledged
    }
    const type = () => {
      if (!typing) return
      doc.once('update', update => {
        sent.push({ frame: ++frames, clock: text.length })
        socket.send(wire.sync(this.room, 2, update))
      })
      text.insert(text.length, 'x')
    }
    socket.on('open', () => socket.send(wire.hello(this.room)))
    socket.on('message', data => {
      const [kind, decoder] = wire.read(data)
      if (kind === AUTH) socket.send(wire.sync(this.room, 0, NOTHING_KNOWN))
      // Ours: how many data frames of this socket are safe. Hocuspocus: one more is taken, one after the other.
      if (kind === SAVED) told(wire.isHocuspocus ? sent[0]?.frame : decoding.readVarUint(decoder))
      if (kind !== SYNC) return
      const step = decoding.readVarUint(decoder)
      if (step === 0) {
        if (!wire.isHocuspocus) frames++ // ours counts this answer
        socket.send(wire.sync(this.room, 1, NOTHING_NEW))
      }
      if (step === 1) timer ??= setInterval(type, 1000 / HZ)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(timer)
      if (typing) setTimeout(() => this.come(), BACK_MS * (0.5 + Math.random()))
    })
  }
}

for (let number = 0; number < WRITERS; number++) new Writer(number).come()
for await (const _ of createInterface({ input: process.stdin })) break
typing = false
setTimeout(() => {
  const acknowledged = Object.values(safe).flatMap(Object.values).reduce((sum, clock) => sum + clock, 0)
  console.log(JSON.stringify({ acknowledged, safe }))
  process.exit(0)
}, 1000)
