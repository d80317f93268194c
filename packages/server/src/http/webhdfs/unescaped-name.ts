/** Names beyond ASCII, which a Hadoop client writes into the request line as they are: escaped, and read again. */
import { isUtf8 } from 'node:buffer'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex, Readable } from 'node:stream'

/** One request without a body, of which nothing but the target has bytes that no HTTP request may have. */
const requestLine = /^(?:GET|PUT|POST|DELETE) (\/webhdfs\/v1\/[\x21-\x7e\x80-\xff]*) HTTP\/1\.1\r\n/
const end = '\r\n\r\n'
const announcesBody = /\r\n(?:transfer-encoding:|content-length:(?! *0\r\n))/i
const readAgain = new WeakSet<Socket>()

/**
 * Takes over a connection whose request the HTTP parser refused, where all that is wrong is such a name: false when it is not.
 * The names come in questions without a body, because the address that the bytes go to is one of ours and escaped. So the
 * request is complete, and is read on a connection of its own that writes to the same socket and is closed by its answer: the
 * parser of the old one has given up. `head` may hold a token: it is not kept.
 */
export function readUnescapedName(server: Server, socket: Socket, head: Buffer): boolean {
  const text = head.toString('latin1')
  const target = requestLine.exec(text)?.[1]
  if (target === undefined || !/[\x80-\xff]/.test(target) || readAgain.has(socket)) return false
  if (text.indexOf(end) !== text.length - end.length || announcesBody.test(text)) return false
  readAgain.add(socket)
  // Java writes in the encoding of its locale: what is not UTF-8 is Latin-1, or as good as that.
  const utf8 = isUtf8(Buffer.from(target, 'latin1'))
  const escaped = target.replace(/[\x80-\xff]/g, (byte) =>
    utf8 ? `%${byte.charCodeAt(0).toString(16)}` : encodeURIComponent(byte),
  )
  const first = text.slice(0, text.indexOf('\r\n')).replace(target, () => escaped)
  const request = `${first}\r\nConnection: close${text.slice(text.indexOf('\r\n'))}`
  const readable = new Readable({ read: () => undefined })
  readable.push(Buffer.from(request, 'latin1'))
  const connection = Duplex.from({ readable, writable: socket })
  const { remoteAddress, encrypted } = socket as Socket & { encrypted?: boolean }
  Object.assign(connection, { remoteAddress, encrypted })
  socket.once('close', () => connection.destroy())
  server.emit(encrypted === true ? 'secureConnection' : 'connection', connection)
  return true
}
