//! A continuum in which nothing costs anything, to put one cost at a time into.

use std::collections::BTreeMap;

use tidegate_core::Span;

use super::client::{Client, Via};
use tidegate_core::manager::{Config, Monitoring};

use super::manager::{Database, Manager, Provider, Providers, Proxy, Terraform, Watching};
use super::testbed::{
    Cluster, Continuum, Duration, Ec2, Functions, Kubernetes, Lambda, Openfaas, Platform, Resolver,
    Resource,
};

const NOTHING: Duration = Duration {
    mean: Span::ZERO,
    spread: 0.0,
};

/// A time that is always the same.
pub(super) fn always(span: Span) -> Duration {
    Duration {
        mean: span,
        spread: 0.0,
    }
}

/// One resource of each platform, all at no distance.
pub(super) fn continuum() -> Continuum {
    let resource = |platform| Resource {
        platform,
        round_trip: Span::ZERO,
        region: 0,
        cpus: 4.0,
        speed: 1.0,
        price_hour: 0.0,
        price_call: 0.0,
    };
    Continuum {
        cluster: Cluster {
            round_trip: Span::ZERO,
            link_mib_s: 1.0,
            cpus: 8.0,
            resolver: Resolver {
                takes: Span::ZERO,
                lost: 0.0,
                timeout: Span::ZERO,
                late: 0.0,
                late_max: Span::ZERO,
            },
            lost: 0.0,
            retransmission: Span::ZERO,
        },
        functions: Functions {
            threads: 4,
            gateway: NOTHING,
            reading: NOTHING,
            reply: NOTHING,
        },
        lambda: Lambda {
            overhead: Span::ZERO,
            cold_start: Span::ZERO,
            concurrency: 1_000,
            deploy: NOTHING,
            remove: NOTHING,
        },
        openfaas: Openfaas {
            deploy: NOTHING,
            remove: NOTHING,
        },
        ec2: Ec2 {
            prepare: NOTHING,
            launch: NOTHING,
            address: NOTHING,
            install: NOTHING,
            poll: Span::from_secs(10),
            deploy: NOTHING,
            remove: NOTHING,
        },
        kubernetes: Kubernetes {
            prepull: NOTHING,
            remove: NOTHING,
            connect: Span::ZERO,
            request: Span::ZERO,
            pod: NOTHING,
            kubelet: NOTHING,
        },
        resources: BTreeMap::from([
            ("device".to_owned(), resource(Platform::Openfaas)),
            ("lambda".to_owned(), resource(Platform::Lambda)),
            ("machine".to_owned(), resource(Platform::Ec2)),
            ("node".to_owned(), resource(Platform::Kubernetes)),
        ]),
    }
}

/// A manager with the caps of the original.
pub(super) fn manager() -> Manager {
    let provider = Provider {
        download_mib: 0.0,
        unpack: Span::ZERO,
        start: Span::ZERO,
        width: 1.0,
        mib: 0.0,
    };
    Manager {
        proxy: Proxy {
            verticles: 8,
            connections: 5,
            forward: Span::ZERO,
            answer: Span::ZERO,
            secure: Span::ZERO,
            push: Span::ZERO,
        },
        database: Database {
            read: Span::ZERO,
            read_clash: 0.0,
            update_clash: 0.0,
            create: NOTHING,
            create_part: Span::ZERO,
            cancel: NOTHING,
            cancel_part: Span::ZERO,
            width: 1.0,
            retry: Span::from_secs(1),
            retries: 5,
        },
        terraform: Terraform {
            command: Span::ZERO,
            output: Span::ZERO,
            part: Span::ZERO,
            pair: Span::ZERO,
            parallelism: 10,
            mib: 0.0,
            lookups: 0,
            registry: NOTHING,
            images: NOTHING,
            providers: Providers {
                aws: provider,
                kubernetes: provider,
                openfaas: provider,
            },
        },
        monitoring: Monitoring::original(),
        placing: Config::original().placing,
        reallocation: None,
        retry: Config::original().retry,
        timeouts: Config::original().timeouts,
        watching: Watching {
            sampling: Span::from_secs(1),
            open: Span::ZERO,
            cycle: Span::ZERO,
            query: Span::ZERO,
            post: Span::ZERO,
        },
        idle_cores: 0.0,
        idle_mib: 0.0,
    }
}

/// A client that costs nothing.
pub(super) fn client(via: Via) -> Client {
    Client {
        via,
        connections: 100,
        make: Span::ZERO,
        begin: Span::ZERO,
        secure: Span::ZERO,
        send: Span::ZERO,
        receive: NOTHING,
        pair: Span::ZERO,
    }
}
