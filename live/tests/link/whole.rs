//! The whole way.

use tidegate_core::{Bytes, Cores};
use tidegate_live::controller::running::Running;
use tidegate_live::link::pki::{self, Party};
use tidegate_live::link::tls::{self, Files};

use super::{Far, HOST, encrypted, host, hub, plain, until};

#[test]
fn a_host_is_taken_in_and_its_limits_follow_need() {
    let keys = tempfile::tempdir().unwrap();
    let keys = keys.path();
    pki::authority(keys, 10).unwrap();
    pki::issue(keys, Party::Controller, 10).unwrap();
    pki::issue(keys, Party::Host(HOST), 10).unwrap();
    let tls = tls::controller(&Files::of(keys, "controller")).unwrap();
    let running = Running::start(None, Some(tls), hub(4, 1, 1)).unwrap();
    let far = Far::new(encrypted(&running, keys, "host-0"), host(0, 7, 4));
    until("taken in", || far.limits().len() == 4);
    {
        let mut host = far.host.borrow_mut();
        host.containers[0].demand = Cores::new(3);
        host.containers[1].memory = Bytes::from_mib(200);
    }
    until("CPU and memory follow", || {
        far.period();
        let limits = far.limits();
        limits[0].cpu > Cores::new(3) && limits[1].memory > Bytes::from_mib(200)
    });
    until("the metrics say so", || {
        let text = running.metrics().unwrap();
        text.contains("tidegate_hosts 1.0")
            && text.contains("tidegate_oom_rescues_total{container=\"service-1\",host=\"0\"}")
            && text.contains("tidegate_pool_limit{resource=\"cpu_cores\"} 8.0")
            && text.ends_with("# EOF\n")
    });
}

#[test]
fn a_controller_that_is_started_anew_takes_over() {
    let running = Running::start(None, None, hub(4, 1, 1)).unwrap();
    let far = Far::new(plain(&running), host(0, 7, 4));
    until("taken in", || far.limits().len() == 4);
    far.host.borrow_mut().containers[0].demand = Cores::new(3);
    until("CPU follows", || {
        far.period();
        far.limits()[0].cpu > Cores::new(3)
    });
    let (before, address) = (far.limits(), running.address);
    drop(running);
    until("the host notices", || far.ended().is_some());
    let running = Running::start(Some(address), None, hub(4, 1, 1 << 40)).unwrap();
    until("taken in again", || {
        far.listen();
        running.metric("tidegate_hosts") == Some(1.0)
    });
    assert_eq!(far.limits(), before);
    far.host.borrow_mut().containers[0].demand = Cores::new(5);
    until("it goes on", || {
        far.period();
        far.limits()[0].cpu > Cores::new(5)
    });
}

#[test]
fn a_second_agent_of_a_host_takes_the_place_of_the_first() {
    let running = Running::start(None, None, hub(2, 1, 1)).unwrap();
    let first = Far::new(plain(&running), host(0, 7, 2));
    until("taken in", || first.limits().len() == 2);
    let second = Far::new(plain(&running), host(0, 8, 2));
    until("taken in", || second.limits().len() == 2);
    until("the first is told", || {
        first
            .ended()
            .is_some_and(|why| why.contains("another connection"))
    });
}
