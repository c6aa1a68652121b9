//! Taking a port that the process before this one may still hold, and the connections that come to it.
//!
//! A supervisor starts a process again as soon as its predecessor has died. The kernel may need some milliseconds to close the
//! ports of the dead one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use spindrift_failures::{Kind, log_failure};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

/// How long a port that is in use is waited for.
pub const PORT_PATIENCE: Duration = Duration::from_secs(1);

/// Connections that the system takes in while this process has not come to accept them: as many as Linux allows unless told
/// otherwise, so that a crowd does not keep it from taking in others.
const BACKLOG: u32 = 4096;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// The pause after a failed accept, which mostly means that the process has as many files open as it may.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The errors of a process, and of a system, that has as many files open as it may: EMFILE and ENFILE.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// Accepts a connection. A failure passes: it is logged, and tried again.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => note_accept_failure(&error),
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

/// Logs that a connection could not be accepted, once for as long as it lasts.
pub fn note_accept_failure(error: &io::Error) {
    let full = error
        .raw_os_error()
        .is_some_and(|code| TOO_MANY_FILES.contains(&code));
    let advice = if full {
        "; connections wait until others are closed; raise the limit of open files (ulimit -n)"
    } else {
        ""
    };
    log_failure!(
        WARN,
        Kind::LostConnections,
        "",
        "a connection could not be accepted: {error}{advice}"
    );
}

/// Listens on `address`. Waits up to [`PORT_PATIENCE`] for a port that is in use.
///
/// # Errors
///
/// The port is in use to the end, or the system gives another reason, which is returned at once.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let deadline = Instant::now() + PORT_PATIENCE;
    loop {
        match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if Instant::now() >= deadline {
                    let reason = format!(
                        "the address is already in use, and was so for {PORT_PATIENCE:?}; stop the process that listens there"
                    );
                    return Err(io::Error::new(error.kind(), reason));
                }
            }
            other => return other,
        }
        sleep(PAUSE).await;
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As every listener does: connections that are still closing do not hold the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[tokio::test]
    async fn a_port_that_is_freed_within_a_second_is_had() {
        let taken = TcpListener::bind(ANY).await.expect("a port");
        let address = taken.local_addr().expect("an address");
        let (had, ()) = tokio::join!(listen(address), async {
            sleep(PORT_PATIENCE / 4).await;
            drop(taken);
        });
        assert_eq!(had.expect("the port").local_addr().ok(), Some(address));
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_stays_taken_is_refused_in_words_after_a_second() {
        let taken = TcpListener::bind(ANY).await.expect("a port");
        let address = taken.local_addr().expect("an address");
        let began = Instant::now();
        let error = listen(address).await.expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(
            error
                .to_string()
                .contains("already in use, and was so for 1s"),
            "{error}"
        );
        assert!(began.elapsed() >= PORT_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn another_error_is_not_waited_for() {
        // An address of a network for documentation, which no machine has.
        let nowhere = SocketAddr::from(([192, 0, 2, 1], 0));
        let began = Instant::now();
        let error = listen(nowhere).await.expect_err("no such address");
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
