// Writers who believe what they are told: `writers.mjs '{"protocol", "urls", "rooms", "headers", "writers", "hz"}'`.
//
// Each types a character so many times a second into one of the rooms and notes up to where the server says that all is
// safe. Whoever is cut off comes back as somebody new, with an empty document and another Yjs client id, so that nothing
// is ever sent twice: what had been acknowledged is in the server's hands alone. A line on stdin ends the typing; then the
// answer is a line of JSON: how many characters were "acknowledged", and what was, as {room: {client: clock}} in "safe".
import { createInterface } from 'node:readline'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { WebSocket } from 'ws'
import * as Y from 'yjs'

const { protocol, urls, rooms, headers, writers: WRITERS, hz: HZ } = JSON.parse(process.argv[2])
const HOCUSPOCUS = protocol === 'hocuspocus'
const SYNC = 0; const AUTH = 2; const SAVED = 8
const BACK_MS = 100

const frame = (room, type, write) => {
  const encoder = encoding.createEncoder()
  if (HOCUSPOCUS) encoding.writeVarString(encoder, room)
  encoding.writeVarUint(encoder, type)
  write(encoder)
  return encoding.toUint8Array(encoder)
}
const sync = (room, step, body) => frame(room, SYNC, encoder => {
  encoding.writeVarUint(encoder, step)
  encoding.writeVarUint8Array(encoder, body)
})

const safe = Object.fromEntries(rooms.map(room => [room, {}]))
let typing = true

class Writer {
  constructor (number) { this.number = number; this.room = rooms[number % rooms.length] }

  come () {
    const doc = this.doc = new Y.Doc()
    const text = doc.getText('text')
    const sent = [] // the clock at the end of each data frame that waits for its word
    let acknowledged = 0; let frames = 0; let timer = null
    const url = urls[this.number % urls.length]
    const socket = new WebSocket(HOCUSPOCUS ? url : `${url}/${this.room}?status=1`, { perMessageDeflate: false, headers })
    socket.binaryType = 'nodebuffer'
    const told = until => {
      for (; sent.length && sent[0].frame <= until; acknowledged = sent.shift().clock);
      if (acknowledged) safe[this.room][doc.clientID] = acknowledged
    }
    const type = () => {
      if (!typing) return
      doc.once('update', update => {
        sent.push({ frame: ++frames, clock: text.length })
        socket.send(sync(this.room, 2, update))
      })
      text.insert(text.length, 'x')
    }
    const ask = () => socket.send(sync(this.room, 0, new Uint8Array([0])))
    socket.on('open', () => {
      if (!HOCUSPOCUS) return ask()
      socket.send(frame(this.room, AUTH, encoder => {
        encoding.writeVarUint(encoder, 0)
        encoding.writeVarString(encoder, 'token')
        encoding.writeVarString(encoder, '4.7.0')
      }))
    })
    socket.on('message', data => {
      const decoder = decoding.createDecoder(data)
      if (HOCUSPOCUS) decoding.readVarString(decoder)
      const kind = decoding.readVarUint(decoder)
      if (kind === AUTH) ask()
      // Ours: how many data frames of this socket are safe. Hocuspocus: one more is taken, one after the other.
      if (kind === SAVED) told(HOCUSPOCUS ? sent[0]?.frame : decoding.readVarUint(decoder))
      if (kind !== SYNC && kind !== 4) return
      const step = decoding.readVarUint(decoder)
      if (step === 0) {
        if (!HOCUSPOCUS) frames++ // ours counts this answer
        socket.send(sync(this.room, 1, new Uint8Array([0, 0])))
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
