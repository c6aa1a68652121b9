//! Two clusters never live, whatever happens to those who would form one.

use std::time::Duration;

use crate::api_server::Mishaps;
use crate::races::{Course, Report, run_seeds};

fn hold(reports: &[Report]) {
    for report in reports {
        if let Some(violation) = &report.violation {
            panic!(
                "{violation}\n{}\nagain with SPINDRIFT_RACE_SEED={}",
                report.log.join("\n"),
                report.seed
            );
        }
    }
}

#[test]
fn of_ten_pods_that_start_at_once_one_forms_the_cluster() {
    let reports = run_seeds(Course {
        pods: 10,
        mishaps: Mishaps {
            failing: 0.2,
            slow: Duration::from_millis(400),
            very_slow: 0.1,
        },
        stands_still: 0.1,
        strikes: 0,
    });
    hold(&reports);
    for report in reports {
        assert_eq!((report.formed, report.one), (1, true), "{report:#?}");
    }
}

#[test]
fn two_clusters_never_live_while_pods_come_and_go() {
    let reports = run_seeds(Course {
        pods: 4,
        mishaps: Mishaps {
            failing: 0.2,
            slow: Duration::from_millis(400),
            very_slow: 0.1,
        },
        stands_still: 0.1,
        strikes: 8,
    });
    hold(&reports);
    // Total losses among them, after which another cluster was formed.
    let again = reports.iter().filter(|report| report.formed > 1).count();
    assert!(again * 4 > reports.len(), "{again} of {}", reports.len());
}
