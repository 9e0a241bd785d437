//! What a worker thread asks of the operating system about itself.

use core::mem::{size_of, zeroed};
use core::time::Duration;
use std::io;

/// Numbers of the processors that this thread may run on.
pub fn available_cpus() -> io::Result<Vec<usize>> {
    // SAFETY: cpu_set_t is a plain bit set for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: the set is valid for writes of the size that is passed.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((0..libc::CPU_SETSIZE as usize)
        // SAFETY: the index is below CPU_SETSIZE.
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) })
        .collect())
}

/// Keeps this thread on one processor.
pub fn pin_current_thread(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: cpu_set_t is a plain bit set for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: the index is below CPU_SETSIZE.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is valid for reads of the size that is passed.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Processor time that this thread has used.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Processor time that all threads of this process have used.
#[must_use]
pub fn process_cpu_time() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the timespec is valid for writes. The clocks used here always exist.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_run_nowhere_else() {
        std::thread::spawn(|| {
            let cpu = *available_cpus().unwrap().last().unwrap();
            pin_current_thread(cpu).unwrap();
            assert_eq!(available_cpus().unwrap(), [cpu]);
            assert!(pin_current_thread(usize::MAX).is_err());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn processor_time_is_per_thread() {
        let before = thread_cpu_time();
        std::thread::spawn(|| {
            let start = thread_cpu_time();
            while thread_cpu_time() - start < Duration::from_millis(30) {}
        })
        .join()
        .unwrap();
        assert!(thread_cpu_time() - before < Duration::from_millis(30));
        assert!(process_cpu_time() >= Duration::from_millis(30));
    }
}
