// SPDX-License-Identifier: Apache-2.0

// An HTTP server in Rust for many clients at once: std's sockets, and the poll of
// the C library that std stands on. /big is 32 MiB long; every other path is greeted.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::wasi::io::{AsRawFd, FromRawFd};

const FIRST_SOCKET: i32 = 4;
const BIG: usize = 32 << 20;
const FILLER: [u8; 64 << 10] = [b'x'; 64 << 10];

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

// poll.h of wasi-libc.
const POLLIN: i16 = 1;
const POLLOUT: i16 = 2;

extern "C" {
    fn poll(fds: *mut PollFd, count: usize, timeout: i32) -> i32;
}

struct Client {
    stream: TcpStream,
    input: Vec<u8>,  // what it has sent and was not answered yet
    output: Vec<u8>, // what it has yet to get: the head and, unless it is big, the body
    big: usize,
    events: i16, // what it waits for
}

impl Client {
    fn new(stream: TcpStream) -> io::Result<Client> {
        stream.set_nonblocking(true)?;
        Ok(Client { stream, input: Vec::new(), output: Vec::new(), big: 0, events: POLLIN })
    }

    /// Prepares the answer to the next request, if all of it is there.
    fn answer(&mut self) {
        let end = match self.input.windows(4).position(|w| w == b"\r\n\r\n") {
            Some(at) => at + 4,
            None => return,
        };
        let head = String::from_utf8_lossy(&self.input[..end]).into_owned();
        self.input.drain(..end);
        let path = head.split_whitespace().nth(1).unwrap_or("");
        self.big = if path == "/big" { BIG } else { 0 };
        let body = if self.big > 0 { String::new() } else { format!("hello from {}\n", path) };
        let length = self.big + body.len();
        self.output = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", length, body).into_bytes();
    }

    /// Goes on until it would have to wait. An error means that the client has gone.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            if !self.output.is_empty() {
                self.events = POLLOUT;
                let n = self.stream.write(&self.output)?;
                self.output.drain(..n);
            } else if self.big > 0 {
                self.events = POLLOUT;
                self.big -= self.stream.write(&FILLER[..FILLER.len().min(self.big)])?;
            } else {
                self.answer();
                if !self.output.is_empty() {
                    continue;
                }
                self.events = POLLIN;
                let mut buffer = [0; 4096];
                match self.stream.read(&mut buffer)? {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    n => self.input.extend_from_slice(&buffer[..n]),
                }
            }
        }
    }
}

fn main() -> io::Result<()> {
    let given = env::var("LISTEN_FDS").ok().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    if given < 1 {
        eprintln!("no sockets");
        std::process::exit(1);
    }
    let listener = unsafe { TcpListener::from_raw_fd(FIRST_SOCKET) };
    let mut clients: Vec<Client> = Vec::new();
    println!("serving on {}", env::var("LISTEN_FDNAMES").unwrap_or_default());
    loop {
        let mut fds = vec![PollFd { fd: FIRST_SOCKET, events: POLLIN, revents: 0 }];
        fds.extend(clients.iter().map(|c| PollFd { fd: c.stream.as_raw_fd(), events: c.events, revents: 0 }));
        if unsafe { poll(fds.as_mut_ptr(), fds.len(), -1) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut ready = fds[1..].iter().map(|fd| fd.revents != 0);
        clients.retain_mut(|client| {
            if !ready.next().unwrap_or(false) {
                return true;
            }
            match client.serve() {
                Err(gone) => gone.kind() == ErrorKind::WouldBlock,
                Ok(()) => true,
            }
        });
        if fds[0].revents != 0 {
            if let Ok((stream, _)) = listener.accept() {
                clients.extend(Client::new(stream));
            }
        }
    }
}
