// A crowd of people who look at documents: opens sockets of y-websocket's protocol, some at a time, and stays. What it is
// to do comes as JSON in the first line on stdin. A socket that is closed comes back until it is in sync again, as stock clients do, if `back` says so.
//
// Says, a line each: "opened" and the seconds when all are in sync; then, for each line more, {"open", "in_sync",
// "errors", "worst_s"}: how many sockets are open, how many have been in sync since they opened, how many were refused
// for another reason than a server that is away, and the longest time from being cut off to being in sync again.
import { createInterface } from 'node:readline'
import { performance } from 'node:perf_hooks'
import * as decoding from 'lib0/decoding'
import { NOTHING_NEW, SYNC, Wire } from './wire.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { urls, headers, at_once: AT_ONCE, back: BACK } = JSON.parse((await lines.next()).value)
const BACKOFF_MS = 100 // times two for each failure, up to 2.5 s, as y-websocket does
const wire = new Wire('y-websocket')
const STEP_1 = wire.hello('')
const STEP_2 = wire.sync('', 1, NOTHING_NEW)

let open = 0
let inSync = 0
let errors = 0
let worst = 0

class Visitor {
  constructor (url) { this.url = url; this.failures = 0 }

  /** Resolves when in sync for the first time. */
  come () {
    return new Promise(resolve => {
      this.onSynced ??= resolve
      const socket = wire.socket(this.url, { headers })
      let opened = false
      let synced = false
      socket.on('open', () => { opened = true; open++; socket.send(STEP_1) })
      socket.on('message', data => {
        const [type, decoder] = wire.read(data)
        if (type !== SYNC) return
        const step = decoding.readVarUint(decoder)
        if (step === 0) socket.send(STEP_2)
        if (step !== 1 || synced) return
        synced = true
        inSync++
        this.failures = 0
        if (this.lostAt) worst = Math.max(worst, performance.now() - this.lostAt)
        this.lostAt = 0
        this.onSynced()
      })
      socket.on('error', error => { if (!['ECONNREFUSED', 'ECONNRESET'].includes(error.code) && !/hang up/.test(error.message)) { errors++; console.error(error.message) } })
      socket.on('close', code => {
        if (opened) open--
        if (synced) inSync--
        if (![1005, 1006, 1012].includes(code)) { errors++; console.error(`closed: ${code}`) }
        this.lostAt ||= performance.now()
        if (BACK) setTimeout(() => this.come(), Math.min(2500, BACKOFF_MS * 2 ** this.failures++) * (0.5 + Math.random()))
      })
    })
  }
}

const began = performance.now()
const queue = urls.map(url => new Visitor(url))
await Promise.all(Array.from({ length: AT_ONCE }, async () => { while (queue.length) await queue.pop().come() }))
console.log(`opened ${((performance.now() - began) / 1000).toFixed(2)}`)
for await (const _ of lines) {
  console.log(JSON.stringify({ open, in_sync: inSync, errors, worst_s: worst / 1000 }))
}
process.exit(0)
