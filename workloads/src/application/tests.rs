//! The four applications of the Escra paper against what was measured of them.

use std::path::PathBuf;

use super::*;
use crate::file;

/// What one service has to do for the mean request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Demand {
    /// Calls.
    pub(super) calls: f64,
    /// CPU time of these calls in seconds, on the path and off it.
    pub(super) cpu_s: f64,
}

impl Application {
    /// The index of the service of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.services
            .iter()
            .position(|service| service.name == name)
    }

    /// What the mean request asks of each service, in the order of
    /// [`services`](Application::services): warm, detached calls included.
    pub(super) fn demand(&self) -> Vec<Demand> {
        let mut demand = vec![Demand::default(); self.services.len()];
        for request in &self.requests {
            for call in std::iter::once(&request.root).chain(&request.detached) {
                call.add_to(request.share, &mut demand);
            }
        }
        demand
    }
}

impl Call {
    /// Adds this call, made `times` per request by its caller.
    fn add_to(&self, times: f64, demand: &mut [Demand]) {
        let times = times * f64::from(self.repeat);
        demand[self.service].calls += times;
        demand[self.service].cpu_s += times * self.cpu.as_secs_f64();
        for call in self.stages.iter().flatten() {
            call.add_to(times, demand);
        }
    }
}

const FLOOR_CPU: Cores = Cores::from_millis(300);
const FLOOR_MEMORY: Bytes = Bytes::from_mib(25);

fn load(name: &str) -> Application {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/apps");
    let path = folder.join(format!("{name}.toml"));
    file::read_text(&path)
        .and_then(|text| Application::parse(&path, &text))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn within(measured: f64, expected: f64, tolerance: f64) -> bool {
    (measured - expected).abs() <= tolerance * expected
}

/// CPU of the mean request in milliseconds, measured over a whole run (static
/// 1.5x, raw logs of gregcusack/CDFGenerator@icdcs).
#[test]
fn the_mean_request_costs_what_was_measured() {
    let apps = [
        ("media", 32, 31.17),
        ("hipster-shop", 11, 27.66),
        ("teastore", 7, 22.58),
        ("train-ticket", 68, 50.80),
    ];
    for (name, containers, total_ms) in apps {
        let app = load(name);
        assert_eq!(app.name, name);
        assert_eq!(app.services.len(), containers, "{name}");
        let cpu_s: f64 = app.demand().iter().map(|demand| demand.cpu_s).sum();
        assert!(within(cpu_s * 1e3, total_ms, 0.01), "{name}: {cpu_s} s");
        let shares: f64 = app.requests.iter().map(|request| request.share).sum();
        assert!((shares - 1.0).abs() < 1e-12, "{name}: {shares}");
    }
}

/// As above, for each service.
#[test]
fn each_service_costs_what_was_measured() {
    let measured_ms: &[(&str, &[(&str, f64)])] = &[
        (
            "media",
            &[
                ("compose-review-memcached", 1.467),
                ("compose-review-service", 7.518),
                ("jaeger", 0.7478),
                ("movie-id-memcached", 0.227),
                ("movie-id-service", 3.052),
                ("movie-review-mongodb", 1.672),
                ("movie-review-redis", 0.09513),
                ("movie-review-service", 2.394),
                ("nginx-web-server", 2.019),
                ("rating-redis", 0.1138),
                ("rating-service", 2.296),
                ("review-storage-mongodb", 0.5971),
                ("review-storage-service", 1.229),
                ("text-service", 0.9063),
                ("unique-id-service", 1.019),
                ("user-memcached", 0.1418),
                ("user-review-mongodb", 1.713),
                ("user-review-redis", 0.0987),
                ("user-review-service", 2.385),
                ("user-service", 1.476),
            ],
        ),
        (
            "hipster-shop",
            &[
                ("adservice", 0.6002),
                ("cartservice", 2.095),
                ("checkoutservice", 9.678),
                ("currencyservice", 1.865),
                ("emailservice", 0.6333),
                ("frontend", 7.502),
                ("paymentservice", 0.5541),
                ("productcatalogservice", 2.216),
                ("recommendationservice", 0.9487),
                ("redis-cart", 0.1017),
                ("shippingservice", 1.47),
            ],
        ),
        (
            "teastore",
            &[
                ("teastore-auth", 4.786),
                ("teastore-db", 0.5618),
                ("teastore-image", 1.347),
                ("teastore-persistence", 6.585),
                ("teastore-recommender", 0.4017),
                ("teastore-webui", 8.862),
            ],
        ),
        (
            "train-ticket",
            &[
                ("ts-admin-basic-info-service", 2.228),
                ("ts-admin-order-service", 1.441),
                ("ts-admin-route-service", 1.021),
                ("ts-admin-travel-service", 0.9099),
                ("ts-admin-user-service", 0.9456),
                ("ts-auth-mongo", 0.1588),
                ("ts-auth-service", 14.37),
                ("ts-cancel-service", 0.8634),
                ("ts-config-mongo", 0.2014),
                ("ts-config-service", 1.79),
                ("ts-consign-mongo", 0.108),
                ("ts-consign-price-mongo", 0.02542),
                ("ts-consign-price-service", 0.9646),
                ("ts-consign-service", 2.098),
                ("ts-contacts-mongo", 0.2315),
                ("ts-contacts-service", 2.463),
                ("ts-execute-service", 0.9013),
                ("ts-inside-payment-mongo", 0.07057),
                ("ts-inside-payment-service", 1.296),
                ("ts-order-mongo", 0.1215),
                ("ts-order-other-mongo", 0.1347),
                ("ts-order-other-service", 2.523),
                ("ts-order-service", 1.765),
                ("ts-price-mongo", 0.06479),
                ("ts-price-service", 0.9029),
                ("ts-route-mongo", 0.1622),
                ("ts-route-service", 1.624),
                ("ts-station-mongo", 0.9387),
                ("ts-station-service", 1.801),
                ("ts-train-mongo", 0.2065),
                ("ts-train-service", 2.287),
                ("ts-travel-mongo", 0.02439),
                ("ts-travel-service", 1.593),
                ("ts-travel2-mongo", 0.01412),
                ("ts-travel2-service", 1.111),
                ("ts-ui-dashboard", 0.7264),
                ("ts-user-mongo", 0.1782),
                ("ts-user-service", 1.931),
                ("ts-verification-code-service", 0.6001),
            ],
        ),
    ];
    for (name, services) in measured_ms {
        let app = load(name);
        let mut demand = app.demand();
        for (service, expected) in *services {
            let index = app.find(service).unwrap_or_else(|| panic!("{service}"));
            let cpu_ms = demand[index].cpu_s * 1e3;
            assert!(
                within(cpu_ms, *expected, 0.01),
                "{service}: {cpu_ms} ms, not {expected}"
            );
            demand[index] = Demand::default();
        }
        // Whatever is not in the table got no calls.
        assert_eq!(demand, vec![Demand::default(); demand.len()], "{name}");
    }
}

/// The application-wide limits Ω of the authors' deployments
/// (`ec_deployer`, `*_app_deploy_{75x,1x,15x}.json`) are the sums of the static
/// limits at the same level.
#[test]
fn static_limits_sum_to_omega() {
    type Omega = [(f64, u64); 3];
    // Level by level: CPU in thousandths of a core, memory in MiB.
    let apps: [(&str, Omega); 4] = [
        (
            "media",
            [(18_611.0, 4_174), (22_952.0, 5_394), (31_728.0, 7_890)],
        ),
        (
            "hipster-shop",
            [(8_674.0, 742), (11_195.0, 943), (16_566.0, 1_401)],
        ),
        (
            "train-ticket",
            [(82_758.0, 19_659), (107_343.0, 26_187), (156_579.0, 39_250)],
        ),
        (
            "teastore",
            [(9_600.0, 5_118), (12_693.0, 6_823), (18_894.0, 10_235)],
        ),
    ];
    for (name, omega) in apps {
        let app = load(name);
        for (level, (cpu_millis, memory_mib)) in [0.75, 1.0, 1.5].into_iter().zip(omega) {
            let limits = || {
                let services = app.services.iter();
                services.map(|service| service.limits.at(level, FLOOR_CPU, FLOOR_MEMORY))
            };
            let cpu: Cores = limits().map(|limits| limits.cpu).sum();
            let memory: Bytes = limits().map(|limits| limits.memory).sum();
            let (cpu, memory) = (cpu.as_f64() * 1e3, memory.as_mib_f64());
            assert!(within(cpu, cpu_millis, 0.005), "{name} at {level}: {cpu}");
            assert!(
                within(memory, memory_mib as f64, 0.005),
                "{name} at {level}: {memory}"
            );
        }
    }
}

/// Memory of a service after `calls` calls, in MiB, as [`Memory`] has it.
fn usage(memory: &Memory, calls: f64, limit: Bytes) -> f64 {
    let start = memory.start.as_mib_f64();
    let grown = calls * memory.per_call.as_mib_f64();
    let heap = memory.heap_share * limit.as_mib_f64();
    heap + match memory.ceiling.map(Bytes::as_mib_f64) {
        Some(ceiling) if ceiling > start => {
            ceiling - (ceiling - start) * (-grown / (ceiling - start)).exp()
        }
        Some(ceiling) => ceiling,
        None => start + grown,
    }
}

/// Measured at the static 1.5x limit, at the start and after the run's length.
#[test]
fn memory_grows_as_measured() {
    let services = [
        ("media", "jaeger", 338.0, 120.0, 246.6, 1336.4),
        ("media", "user-review-mongodb", 338.0, 120.0, 66.1, 111.7),
        ("media", "compose-review-memcached", 338.0, 120.0, 8.1, 11.6),
        ("media", "cast-info-mongodb", 338.0, 120.0, 149.3, 150.4),
        ("hipster-shop", "checkoutservice", 399.0, 120.0, 22.6, 43.0),
        ("teastore", "teastore-auth", 291.0, 180.0, 504.6, 669.9),
        ("teastore", "teastore-webui", 291.0, 180.0, 339.4, 505.0),
        (
            "train-ticket",
            "ts-auth-service",
            192.0,
            120.0,
            355.3,
            380.6,
        ),
    ];
    for (app, service, rate, seconds, start, end) in services {
        let app = load(app);
        let index = app.find(service).unwrap_or_else(|| panic!("{service}"));
        let Service { memory, limits, .. } = &app.services[index];
        let calls = app.demand()[index].calls * rate * seconds;
        let at = |calls| usage(memory, calls, limits.memory_15x);
        assert!(within(at(0.0), start, 0.01), "{service}: {}", at(0.0));
        assert!(within(at(calls), end, 0.02), "{service}: {}", at(calls));
    }
}

/// auth used 207 to 321 MiB where its container started with about 1024 MiB.
#[test]
fn a_jvm_follows_its_limit() {
    let app = load("teastore");
    let memory = app.services[app.find("teastore-auth").unwrap()].memory;
    let limit = Bytes::from_mib(1024);
    let (start, end) = (usage(&memory, 0.0, limit), usage(&memory, 1e9, limit));
    assert!((150.0..250.0).contains(&start), "{start}");
    assert!((300.0..400.0).contains(&end), "{end}");
}
