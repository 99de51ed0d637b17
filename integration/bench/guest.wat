;; SPDX-License-Identifier: Apache-2.0
;;
;; The guest of the file and poll benchmarks: loops around single functions of
;; preview 1, so that what is measured is the host. Whatever a function answers
;; but success ends the guest with a trap.
;;
;; Memory:      0  iovec            64  filestat       256  "data"
;;              8  u32 result      128  subscription   64 Ki  directory buffers, one for each level
;;             16  u64 result      192  event           1 Mi  file buffer
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 64)
  (data (i32.const 256) "data")
  (global $directory i32 (i32.const 3))
  (global $buffer i32 (i32.const 0x100000))
  (global $level_size i32 (i32.const 8192))

  (func $must (param $errno i32)
    (if (local.get $errno) (then (unreachable))))

  ;; Opens "data" with fd_read, fd_seek and fd_write.
  (func $open_data (param $oflags i32) (result i32)
    (call $must (call $path_open (global.get $directory) (i32.const 0) (i32.const 256) (i32.const 4)
      (local.get $oflags) (i64.const 0x46) (i64.const 0) (i32.const 0) (i32.const 8)))
    (i32.load (i32.const 8)))

  (func $iovec (param $size i32)
    (i32.store (i32.const 0) (global.get $buffer))
    (i32.store (i32.const 4) (local.get $size)))

  (func $must_be_whole (param $size i32)
    (if (i32.ne (i32.load (i32.const 8)) (local.get $size)) (then (unreachable))))

  ;; Writes the file anew, in count pieces.
  (func (export "write") (param $size i32) (param $count i32)
    (local $fd i32)
    (local.set $fd (call $open_data (i32.const 1))) ;; creat
    (call $iovec (local.get $size))
    (loop $next
      (call $must (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
      (call $must_be_whole (local.get $size))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (call $must (call $fd_close (local.get $fd))))

  ;; Reads count pieces from the file's beginning.
  (func (export "read") (param $size i32) (param $count i32)
    (local $fd i32)
    (local.set $fd (call $open_data (i32.const 0)))
    (call $iovec (local.get $size))
    (loop $next
      (call $must (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
      (call $must_be_whole (local.get $size))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (call $must (call $fd_close (local.get $fd))))

  ;; Seeks to the file's beginning count times: a call that does next to nothing.
  (func (export "seek") (param $count i32)
    (local $fd i32)
    (local.set $fd (call $open_data (i32.const 0)))
    (loop $next
      (call $must (call $fd_seek (local.get $fd) (i64.const 0) (i32.const 0) (i32.const 16)))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (call $must (call $fd_close (local.get $fd))))

  ;; Opens and closes the file count times.
  (func (export "open") (param $count i32)
    (loop $next
      (call $must (call $fd_close (call $open_data (i32.const 0))))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; Lists the directory and all below it, and asks for the attributes of each
  ;; entry. Answers the number of entries.
  (func (export "walk") (result i32)
    (call $walk (global.get $directory) (i32.const 0x10000)))

  (func $walk (param $fd i32) (param $level i32) (result i32)
    (local $cookie i64) (local $used i32) (local $at i32) (local $end i32)
    (local $name i32) (local $length i32) (local $entries i32)
    (loop $chunk
      (call $must (call $fd_readdir (local.get $fd) (local.get $level) (global.get $level_size)
        (local.get $cookie) (i32.const 8)))
      (local.set $used (i32.load (i32.const 8)))
      (local.set $at (local.get $level))
      (local.set $end (i32.add (local.get $level) (local.get $used)))
      (block $drained
        (loop $entry
          ;; A dirent: next u64, inode u64, length u32, type u8; the name is at 24.
          (local.set $name (i32.add (local.get $at) (i32.const 24)))
          (br_if $drained (i32.gt_u (local.get $name) (local.get $end)))
          (local.set $length (i32.load offset=16 (local.get $at)))
          (br_if $drained (i32.gt_u (i32.add (local.get $name) (local.get $length)) (local.get $end)))
          (local.set $cookie (i64.load (local.get $at)))
          (if (i32.eqz (call $is_dots (local.get $name) (local.get $length))) (then
            (local.set $entries (i32.add (local.get $entries) (i32.add (i32.const 1)
              (call $visit (local.get $fd) (local.get $level) (i32.load8_u offset=20 (local.get $at))
                (local.get $name) (local.get $length)))))))
          (local.set $at (i32.add (local.get $name) (local.get $length)))
          (br $entry)))
      (br_if $chunk (i32.eq (local.get $used) (global.get $level_size))))
    (local.get $entries))

  (func $is_dots (param $name i32) (param $length i32) (result i32)
    (i32.or
      (i32.and (i32.eq (local.get $length) (i32.const 1)) (i32.eq (i32.load8_u (local.get $name)) (i32.const 46)))
      (i32.and (i32.eq (local.get $length) (i32.const 2)) (i32.eq (i32.load16_u (local.get $name)) (i32.const 0x2e2e)))))

  ;; Takes one entry, and goes down when it is a directory. Answers the number of
  ;; entries below it.
  (func $visit (param $fd i32) (param $level i32) (param $type i32) (param $name i32) (param $length i32) (result i32)
    (local $below i32) (local $entries i32)
    (call $must (call $path_filestat_get (local.get $fd) (i32.const 0) (local.get $name) (local.get $length) (i32.const 64)))
    (if (i32.ne (local.get $type) (i32.const 3)) (then (return (i32.const 0))))
    ;; path_open, fd_readdir and path_filestat_get, here and below
    (call $must (call $path_open (local.get $fd) (i32.const 0) (local.get $name) (local.get $length)
      (i32.const 2) (i64.const 0x46000) (i64.const 0x46000) (i32.const 0) (i32.const 8)))
    (local.set $below (i32.load (i32.const 8)))
    (local.set $entries (call $walk (local.get $below) (i32.add (local.get $level) (global.get $level_size))))
    (call $must (call $fd_close (local.get $below)))
    (local.get $entries))

  ;; Waits for a byte on standard input and sends it back, count times.
  (func (export "echo") (param $count i32)
    (local $errno i32)
    (i64.store (i32.const 128) (i64.const 0))    ;; userdata
    (i64.store (i32.const 136) (i64.const 1))    ;; tag: fd_read
    (i64.store (i32.const 144) (i64.const 0))    ;; descriptor 0
    (call $iovec (i32.const 1))
    (loop $next
      ;; Signals that the host sends itself end wazero's own poll (EINTR): once more.
      (br_if $next (i32.eq (i32.const 27)
        (local.tee $errno (call $poll_oneoff (i32.const 128) (i32.const 192) (i32.const 1) (i32.const 8)))))
      (call $must (local.get $errno))
      (call $must_be_whole (i32.const 1))                        ;; one event,
      (call $must (i32.load16_u offset=8 (i32.const 192)))       ;; without an error
      (call $must (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (call $must_be_whole (i32.const 1))
      (call $must (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (call $must_be_whole (i32.const 1))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
)
