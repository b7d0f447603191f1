-- The Wilson 95 % interval of hits / tries is (middle +- reach) / (tries + z^2).
scaled as (select *, 1.959963984540054 as z_95 from rated),

centred as (
    select *,
        hits + z_95 * z_95 / 2 as middle,
        z_95 * sqrt(hits * (tries - hits) / tries + z_95 * z_95 / 4) as reach
    from scaled
),

bounded as (
    select *,
        hits / tries as rate,
        case when hits = 0 then 0 * tries else (middle - reach) / (tries + z_95 * z_95) end as rate_low,
        case when hits < tries then (middle + reach) / (tries + z_95 * z_95) else hits / tries end as rate_high
    from centred
)
